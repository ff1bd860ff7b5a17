"""The key of an engine: what must force a rebuild, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from hyperflow_runtime.engines.key import DeviceIdentity, EngineKey, ShapeRange

MakeKey = Callable[..., EngineKey]

CHANGES: dict[str, tuple[Any, str]] = {
    "graph": ("adapt", "graph backbone -> adapt"),
    "graph_sha256": ("0" * 64, "the graph changed"),
    "library": ("tensorrt_rtx", "TensorRT -> TensorRT for RTX"),
    "library_version": ("10.13.3", "library version 10.3.0 -> 10.13.3"),
    "compute_capabilities": (("8.6", "8.9"), "compute capabilities 8.7 -> 8.6, 8.9"),
    "device": (None, "device Orin (8.7, 16 SMs) -> ahead of time"),
    "precision": ("fp16", "precision fp32 -> fp16"),
    "profiles": (((ShapeRange("images", (1, 3, 8, 8), (1, 3, 8, 8), (2, 3, 8, 8)),),), "the shapes changed"),
    "workspace_mib": (256, "workspace mib 512 -> 256"),
    "optimisation_level": (5, "optimisation level 3 -> 5"),
    "flags": (("no_tf32",), "flags none -> no_tf32"),
}


def test_the_changes_below_are_all_there_can_be() -> None:
    assert set(CHANGES) == {field.name for field in msgspec.structs.fields(EngineKey)}


@pytest.mark.parametrize("field", CHANGES)
def test_a_change_of_any_field_is_another_engine_and_is_named(make_key: MakeKey, field: str) -> None:
    value, sentence = CHANGES[field]
    before = make_key()
    now = msgspec.structs.replace(before, **{field: value})

    assert now.digest != before.digest
    assert now.differences(before) == (sentence,)


def test_boards_of_one_name_with_other_multiprocessors_are_other_devices(make_key: MakeKey) -> None:
    nano, nx = (make_key(device=DeviceIdentity("Orin", "8.7", n)) for n in (8, 16))

    assert nano.digest != nx.digest
    assert nx.differences(nano) == ("device Orin (8.7, 8 SMs) -> Orin (8.7, 16 SMs)",)


def test_equal_keys_have_one_digest_and_no_differences(make_key: MakeKey) -> None:
    assert make_key().digest == make_key().digest
    assert make_key().differences(make_key()) == ()


def test_a_key_comes_back_from_json_with_its_digest(make_key: MakeKey) -> None:
    key = make_key("adapt", flags=("detailed_layers", "no_tf32"))

    assert msgspec.json.decode(msgspec.json.encode(key), type=EngineKey).digest == key.digest


def test_a_digest_is_safe_as_a_file_name(make_key: MakeKey) -> None:
    digest = make_key(device=DeviceIdentity("../../etc/passwd\0", "8.7", 1)).digest

    assert len(digest) == 32
    assert set(digest) <= set("0123456789abcdef")
