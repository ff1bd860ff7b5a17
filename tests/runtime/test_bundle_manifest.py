"""The manifest is data that nobody vouches for: every rule it breaks is named, and nothing else escapes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperflow_runtime import BackendError, BundleError, open_bundle
from hyperflow_runtime.bundle.reader import read_bundle

EditManifest = Callable[[Path, Callable[[dict[str, Any]], object]], None]
JsonPath = tuple[str | int, ...]


def put(manifest: dict[str, Any], path: JsonPath, value: object) -> None:
    """Set one value of a manifest."""
    node: Any = manifest
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value


BROKEN_RULES: list[tuple[JsonPath, object, str]] = [
    (("schema",), 2, r"has schema 2, this version reads 1; export the bundle again, or update"),
    (("schema",), "1", r"has schema '1', this version reads 1"),
    (("schema",), None, r"has schema None, this version reads 1"),
    (("schema",), True, r"Expected `int`, got `bool` - at `\$\.schema`"),
    (("schema",), 10**30, r"has schema 1000000000"),
    (("unheard_of",), 1, "unknown field `unheard_of`"),
    (("head", "unheard_of"), 1, r"unknown field `unheard_of` - at `\$\.head`"),
    (("name",), 7, r"Expected `str`, got `int` - at `\$\.name`"),
    (("precision",), "int4", r"Invalid enum value 'int4' - at `\$\.precision`"),
    (("preprocessing", "resize"), "stretch", "Invalid enum value 'stretch'"),
    (("preprocessing", "size_px"), 15, r"size_px must be 16..1024, got 15"),
    (("preprocessing", "size_px"), 1025, r"size_px must be 16..1024, got 1025"),
    (("preprocessing", "size_px"), 10**12, r"size_px must be 16..1024"),
    (("preprocessing", "crop_fraction"), 0.0, r"crop_fraction must be in \(0, 1\], got 0.0"),
    (("preprocessing", "crop_fraction"), 1.01, r"crop_fraction must be in \(0, 1\], got 1.01"),
    (("preprocessing", "std"), [0.1, 0.0, 0.1], "every std must be above 0"),
    (("preprocessing", "mean"), [0.1, 0.2], "Expected `array` of length 3"),
    (("feature_dim",), 0, r"feature_dim must be 1..65536, got 0"),
    (("feature_dim",), 65537, r"feature_dim must be 1..65536, got 65537"),
    (("limits", "max_batch"), 0, "limits out of range"),
    (("limits", "max_batch"), 4097, "limits out of range"),
    (("limits", "max_ways"), 1, "limits out of range"),
    (("limits", "max_support"), 10**9, "limits out of range"),
    (("adaptation", "n_steps"), 0, r"n_steps must be 1..64, got 0"),
    (("adaptation", "candidates"), [], r"there must be 1..16 candidates, got 0"),
    (("adaptation", "candidates"), [0.0], "candidates and penalties differ in number"),
    (("adaptation", "candidates"), [0.5, 1.0, 2.0], r"candidates must hold 0 \(do nothing\)"),
    (("head", "logit_scale"), 0.0, r"logit_scale must be in \(0, 1e6\], got 0.0"),
    (("head", "logit_scale"), 1e39, r"logit_scale must be in \(0, 1e6\], got 1e\+39"),
    (("theta",), [], r"theta must have 1..67108864 coordinates, got 0"),
    (("theta", 0, "size"), 9, r"theta slot 'stem.1.shift' leaves a hole or overlaps"),
    (("theta", 0, "offset"), 1, r"theta slot 'stem.1.scale' leaves a hole or overlaps"),
    (("theta", 0, "size"), 0, r"theta slot 'stem.1.scale' leaves a hole or overlaps"),
    (("theta",), [{"name": "x", "offset": 0, "size": 2**40}], "theta must have 1..67108864 coordinates"),
    (("files",), {}, "files must be exactly MODEL_CARD.md, adapt.onnx"),
    (("files", "theta0.npy", "sha256"), "A" * 64, "not a sha256: 'AAAA"),
    (("files", "theta0.npy", "sha256"), "0" * 63, "not a sha256: '000"),
    (("files", "theta0.npy", "size_bytes"), -1, "size_bytes out of range: -1"),
    (("files", "theta0.npy", "size_bytes"), 2**31 + 1, "size_bytes out of range"),
]


@pytest.mark.parametrize(("path", "value", "message"), BROKEN_RULES)
def test_a_broken_rule_is_named(
    bundle_copy: Path, edit_manifest: EditManifest, path: JsonPath, value: object, message: str
) -> None:
    edit_manifest(bundle_copy, lambda manifest: put(manifest, path, value))

    with pytest.raises(BundleError, match=message):
        read_bundle(bundle_copy)


LARGEST_AND_LEAST: list[tuple[JsonPath, object]] = [
    (("preprocessing", "size_px"), 16),
    (("preprocessing", "size_px"), 1024),
    (("preprocessing", "crop_fraction"), 1e-3),
    (("preprocessing", "mean"), [-1.0, 0.0, 2.0]),
    (("feature_dim",), 1),
    (("feature_dim",), 65536),
    (("limits",), {"max_batch": 1, "max_support": 2, "max_ways": 2}),
    (("limits",), {"max_batch": 4096, "max_support": 65536, "max_ways": 4096}),
    (("adaptation", "n_steps"), 1),
    (("adaptation", "n_steps"), 64),
    (("adaptation",), {"n_steps": 2, "step_size": -1.0, "candidates": [0.0], "penalties": [0.1]}),
    (("adaptation",), {"n_steps": 2, "step_size": 1.0, "candidates": list(range(16)), "penalties": [0.0] * 16}),
    (("head", "logit_scale"), 1e-3),
    (("head", "logit_scale"), 1e6),
    (("parity",), []),
]


@pytest.mark.parametrize(("path", "value"), LARGEST_AND_LEAST)
def test_a_value_at_the_edge_of_its_rule_is_accepted(
    bundle_copy: Path, edit_manifest: EditManifest, path: JsonPath, value: object
) -> None:
    edit_manifest(bundle_copy, lambda manifest: put(manifest, path, value))

    found: object = read_bundle(bundle_copy).manifest
    for key in path:
        found = getattr(found, str(key))
    assert json.loads(msgspec.json.encode(found)) == value


def test_a_manifest_cannot_be_changed_once_it_is_checked(tiny_bundle: Path) -> None:
    manifest = read_bundle(tiny_bundle).manifest

    for part in (manifest, manifest.preprocessing, manifest.limits, manifest.adaptation, manifest.head):
        with pytest.raises(AttributeError, match="immutable type"):
            setattr(part, type(part).__struct_fields__[0], 7)


@pytest.mark.parametrize(
    "field",
    ["schema", "name", "preprocessing", "feature_dim", "theta", "limits", "adaptation", "head", "licence", "files"],
)
def test_a_missing_field_is_named(bundle_copy: Path, edit_manifest: EditManifest, field: str) -> None:
    edit_manifest(bundle_copy, lambda manifest: manifest.pop(field))

    with pytest.raises(BundleError, match="schema None" if field == "schema" else f"missing required field `{field}`"):
        read_bundle(bundle_copy)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"1",
        b'"schema"',
        b"[1, 2]",
        b"{",
        b'{"schema": 1',
        b'{"schema": 1e999}',
        b'{"schema": NaN}',
        b'{"schema": ' + b"9" * 5000 + b"}",
        b"\xff\xfe{\0}\0",
        b'{"schema": 1, "name": "\xff"}',
        b'{"schema": "\\ud800"}',
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"schema": 1, "creator": ' + b'{"a":' * 100_000,
        b"\0" * 100,
        b"PK\x03\x04",
    ],
)
def test_a_manifest_that_is_no_object_is_refused(bundle_copy: Path, data: bytes) -> None:
    (bundle_copy / "manifest.json").write_bytes(data)

    with pytest.raises(BundleError, match=r"manifest.json is not a valid manifest \(.*\); export the bundle again"):
        read_bundle(bundle_copy)


def test_a_huge_manifest_is_refused_before_it_is_read(bundle_copy: Path) -> None:
    with (bundle_copy / "manifest.json").open("r+b") as file:
        file.truncate(2**40)  # sparse: reading it would take a tebibyte of memory

    with pytest.raises(BundleError, match=r"manifest\.json is not a file of at most 4194304 bytes"):
        read_bundle(bundle_copy)


def test_a_long_name_does_not_flood_the_message(bundle_copy: Path, edit_manifest: EditManifest) -> None:
    def rename(manifest: dict[str, Any]) -> None:
        manifest["files"]["x" * 100_000] = manifest["files"].pop("theta0.npy")

    edit_manifest(bundle_copy, rename)

    with pytest.raises(BundleError, match="files must be exactly") as caught:
        read_bundle(bundle_copy)

    assert len(str(caught.value)) < 1000


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "squash", "rgb", "../x", "\ud800", "\0", "0" * 64, "x" * 5000]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)


def containers(node: object) -> list[Any]:
    """Every dict and list of a document, the document itself first."""
    if not isinstance(node, dict | list):
        return []
    children = node.values() if isinstance(node, dict) else node
    return [node, *(found for child in children for found in containers(child))]


@st.composite
def mutated(draw: st.DrawFn, manifest: str) -> bytes:
    """The manifest after some replacements, deletions and insertions anywhere, and perhaps flipped bytes."""
    document = json.loads(manifest)
    for _ in range(draw(st.integers(1, 4))):
        node = draw(st.sampled_from(containers(document)))
        value = draw(JSON_VALUES)
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        action = draw(st.sampled_from(["insert", "replace", "delete"] if keys else ["insert"]))
        if action == "insert" and isinstance(node, dict):
            node[draw(st.text(max_size=8))] = value
        elif action == "insert":
            node.insert(draw(st.integers(0, len(node))), value)
        elif action == "replace":
            node[draw(st.sampled_from(keys))] = value
        else:
            del node[draw(st.sampled_from(keys))]
    data = bytearray(json.dumps(document).encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 3]))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


def opens_or_is_refused(bundle: Path) -> bool:
    """Whether a bundle opens; any error but the two promised ones gets out."""
    try:
        read_bundle(bundle)
        open_bundle(bundle, n_threads=1).close()
    except (BundleError, BackendError):
        return False
    return True


def test_a_manifest_mutated_at_random_opens_or_is_refused(tiny_bundle: Path, bundle_copy: Path) -> None:
    manifest = (tiny_bundle / "manifest.json").read_text()
    outcomes = {opens_or_is_refused(bundle_copy)}

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(data=mutated(manifest))
    def check(data: bytes) -> None:
        (bundle_copy / "manifest.json").write_bytes(data)
        outcomes.add(opens_or_is_refused(bundle_copy))

    check()
    assert outcomes == {True, False}


def test_a_manifest_cut_anywhere_is_refused(tiny_bundle: Path, bundle_copy: Path) -> None:
    data = (tiny_bundle / "manifest.json").read_bytes().rstrip()
    for end in range(0, len(data), 37):
        (bundle_copy / "manifest.json").write_bytes(data[:end])

        with pytest.raises(BundleError, match=r"manifest\.json is not a valid manifest"):
            read_bundle(bundle_copy)
