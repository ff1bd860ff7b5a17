"""An adaptation file may come from anywhere: a torn, changed or hostile one is an AdaptationFileError and no more."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hyperflow_runtime import AdaptationFileError, Model, Session

Arrays = dict[str, NDArray[Any]]
NOT_WHOLE = "is not a whole adaptation file"


@pytest.fixture
def file(adapted: Session, tmp_path: Path) -> Path:
    """A good file of nine shots in three classes, with pictures."""
    adapted.save(tmp_path / "colours.adaptation")
    return tmp_path / "colours.adaptation"


def rewrite(file: Path, change: Callable[[Arrays], object]) -> None:
    """Change the arrays of a file; the zip around them is whole again."""
    with np.load(file) as archive:
        arrays = {name: archive[name].copy() for name in archive.files}
    change(arrays)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    file.write_bytes(buffer.getvalue())


def rewrite_meta(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    def edit(arrays: Arrays) -> None:
        meta = json.loads(arrays["meta"].tobytes())
        change(meta)
        arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)

    rewrite(file, edit)


def put(name: str, index: Any, value: float) -> Callable[[Arrays], object]:
    return lambda arrays: arrays[name].__setitem__(index, value)


def reshaped(name: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Arrays], object]:
    return lambda arrays: arrays.update({name: change(arrays[name])})


BAD_ARRAYS: list[tuple[Callable[[Arrays], object], str]] = [
    (put("theta", 3, np.nan), "theta holds NaN or infinity"),
    (put("theta", 3, np.inf), "theta holds NaN or infinity"),
    (put("prototypes", (0, 0), np.nan), "prototypes holds NaN or infinity"),
    (put("features", (8, 15), -np.inf), "features holds NaN or infinity"),
    (reshaped("theta", lambda a: a[:-1]), r"theta is float32 \(143,\), expected float32 \(144,\)"),
    (reshaped("theta", lambda a: a[None]), r"theta is float32 \(1, 144\), expected float32 \(144,\)"),
    (reshaped("theta", lambda a: a.astype(np.float64)), r"theta is float64 \(144,\), expected float32"),
    (reshaped("theta", lambda a: a.astype(">f4")), r"theta is >f4 \(144,\), expected float32"),
    (reshaped("prototypes", lambda a: a[:2]), r"prototypes is float32 \(2, 16\), expected float32 \(3, 16\)"),
    (reshaped("prototypes", lambda a: a[:, :15]), r"prototypes is float32 \(3, 15\), expected float32 \(3, 16\)"),
    (reshaped("features", lambda a: a[:8]), r"features is float32 \(8, 16\), expected float32 \(9, 16\)"),
    (reshaped("images", lambda a: a[:8]), r"images is uint8 \(8, 32, 32, 3\), expected uint8 \(9, 32, 32, 3\)"),
    (reshaped("images", lambda a: a[:, :31]), r"images is uint8 \(9, 31, 32, 3\), expected uint8 \(9, 32, 32, 3\)"),
    (reshaped("images", lambda a: a.astype(np.int16)), r"images is int16 .*, expected uint8"),
    (reshaped("theta", lambda a: a.astype(object)), "arrays of object are not accepted"),
    (reshaped("meta", lambda a: np.array("{}")), "arrays of <U2 are not accepted"),
    (reshaped("meta", lambda a: a[:-1]), "truncated"),
    (reshaped("meta", lambda a: a[:0]), "truncated"),
    (reshaped("meta", lambda a: np.frombuffer(b"[" * 100_000, np.uint8)), "Expected `object`, got `array`"),
    (reshaped("meta", lambda a: np.frombuffer(b'{"schema":' + b"[" * 10**5, np.uint8)), "Expected `int`, got `array`"),
    (lambda arrays: arrays.pop("theta"), "'theta'"),
    (lambda arrays: arrays.pop("prototypes"), "'prototypes'"),
    (lambda arrays: arrays.pop("features"), "'features'"),
    (lambda arrays: arrays.pop("meta"), "'meta'"),
]


@pytest.mark.parametrize(("change", "message"), BAD_ARRAYS)
def test_an_array_that_does_not_fit_is_refused(
    model: Model, file: Path, change: Callable[[Arrays], object], message: str
) -> None:
    rewrite(file, change)

    with pytest.raises(AdaptationFileError, match=rf"{NOT_WHOLE} \(.*{message}.*\); save it again"):
        model.session(file)


BAD_META: list[tuple[dict[str, Any], str]] = [
    ({"schema": 2}, "has schema 2, this version reads 1; save it again"),
    ({"schema": "1"}, r"Expected `int`, got `str` - at `\$\.schema`"),
    ({"unheard_of": 1}, "unknown field `unheard_of`"),
    ({"bundle_sha256": "0" * 64}, "belongs to another bundle"),
    ({"bundle_sha256": ""}, "belongs to another bundle"),
    ({"labels": ["red", "red", "blue"]}, "class names repeat"),
    ({"labels": ["red", "green", ""]}, "must be a string with a visible character"),
    ({"labels": ["red", "green", "a\nb"]}, "must have at most 200 printable characters"),
    ({"labels": ["red", "green"]}, r"prototypes is float32 \(3, 16\), expected float32 \(2, 16\)"),
    ({"labels": []}, r"prototypes is float32 \(3, 16\), expected float32 \(0, 16\)"),
    ({"labels": ["red", "green", 3]}, r"Expected `str`, got `int` - at `\$\.labels"),
    ({"labels": ["red", "green", "grey"]}, "a shot belongs to none of the classes"),
    ({"shot_labels": ["red"] * 8}, r"features is float32 \(9, 16\), expected float32 \(8, 16\)"),
    ({"shot_labels": ["mug"] * 9}, "a shot belongs to none of the classes"),
    ({"shot_labels": [""] + ["red"] * 8}, "a shot belongs to none of the classes"),
    ({"step_size": None}, r"Expected `float`, got `null` - at `\$\.step_size`"),
    ({"logit_scale": 0.0}, "logit_scale is 0.0"),
    ({"logit_scale": 1e39}, r"logit_scale is 1e\+39"),
    ({"logit_scale": "10"}, r"Expected `float`, got `str` - at `\$\.logit_scale`"),
]


@pytest.mark.parametrize(("change", "message"), BAD_META)
def test_meta_data_that_do_not_fit_are_refused(model: Model, file: Path, change: dict[str, Any], message: str) -> None:
    rewrite_meta(file, lambda meta: meta.update(change))

    with pytest.raises(AdaptationFileError, match=message):
        model.session(file)


def test_more_classes_or_shots_than_the_bundle_takes_are_refused(model: Model, file: Path) -> None:
    names = [f"class {index}" for index in range(7)]
    original = file.read_bytes()

    rewrite(file, lambda arrays: arrays.update(prototypes=np.ones((7, 16), np.float32)))
    rewrite_meta(file, lambda meta: meta.update(labels=[*names[:4], "red", "green", "blue"]))
    with pytest.raises(AdaptationFileError, match="7 classes and 9 shots exceed the bundle's limits"):
        model.session(file)

    file.write_bytes(original)
    rewrite(file, lambda arrays: (arrays.pop("images"), arrays.update(features=np.ones((25, 16), np.float32))))
    rewrite_meta(file, lambda meta: meta.update(shot_labels=["red"] * 25))
    with pytest.raises(AdaptationFileError, match="3 classes and 25 shots exceed the bundle's limits"):
        model.session(file)


def test_a_rewritten_file_is_still_good(model: Model, file: Path) -> None:
    rewrite(file, lambda arrays: None)
    rewrite_meta(file, lambda meta: None)

    assert model.session(file).n_shots == {"red": 3, "green": 3, "blue": 3}


@pytest.mark.parametrize("data", [b"", b"PK", b"\x93NUMPY", b"{}", b"\0" * 1000])
def test_a_file_of_another_kind_is_refused(model: Model, file: Path, data: bytes) -> None:
    file.write_bytes(data)

    with pytest.raises(AdaptationFileError, match=rf"{NOT_WHOLE} \(not a whole .npz file \(.*\)\); save it again"):
        model.session(file)


def test_a_file_cut_anywhere_is_refused(model: Model, file: Path) -> None:
    whole = file.read_bytes()
    for end in [*range(0, len(whole), len(whole) // 60), len(whole) - 1]:
        file.write_bytes(whole[:end])

        with pytest.raises(AdaptationFileError, match=NOT_WHOLE):
            model.session(file)


def loads_or_is_refused(model: Model, file: Path, frame: NDArray[np.uint8]) -> bool:
    try:
        return bool(model.session(file, bake=False).predict(frame).scores)
    except AdaptationFileError:
        return False


def test_a_file_changed_anywhere_loads_as_it_was_or_is_refused(
    model: Model, file: Path, pictures: dict[str, list[NDArray[np.uint8]]]
) -> None:
    whole, frame = file.read_bytes(), pictures["red"][7]
    outcomes = {loads_or_is_refused(model, file, frame)}

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=6))
    def check(changes: list[tuple[int, int]]) -> None:
        data = bytearray(whole)
        for at, value in changes:
            data[at] = value
        file.write_bytes(data)
        outcomes.add(loads_or_is_refused(model, file, frame))

    check()
    assert outcomes == {True, False}


def write_zip(file: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    "shape", ["(4611686018427387904,)", "(1048576, 1048576)", "(-144,)", "(99999999999999999999,)"]
)
def test_a_giant_or_negative_shape_is_refused_without_the_memory(model: Model, file: Path, shape: str) -> None:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".encode()
    write_zip(file, {"theta.npy": b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header})

    with pytest.raises(AdaptationFileError, match=rf"{NOT_WHOLE} \(shape .* needs -?\d+ bytes, but 0 follow\)"):
        model.session(file)


def test_a_file_that_inflates_to_more_than_a_gibibyte_is_refused_before_that(model: Model, file: Path) -> None:
    size = 2**20 + 7
    write_zip(file, {"theta.npy": bytes(size)})
    claimed = file.read_bytes().replace(size.to_bytes(4, "little"), (2**31 - 1).to_bytes(4, "little"))
    file.write_bytes(claimed)

    with pytest.raises(AdaptationFileError, match="1 members of 2147483647 bytes exceed 64 of 1073741824"):
        model.session(file)


def test_a_huge_file_is_refused_before_it_is_read(model: Model, file: Path) -> None:
    os.truncate(file, 2**40)  # sparse

    with pytest.raises(AdaptationFileError, match="is no adaptation file: not a file, or more than 1073741824 bytes"):
        model.session(file)


def test_a_pipe_is_refused_without_waiting(model: Model, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(AdaptationFileError, match="pipe is no adaptation file: not a file"):
        model.session(tmp_path / "pipe")


def test_a_folder_is_no_adaptation(model: Model, tmp_path: Path) -> None:
    with pytest.raises(AdaptationFileError, match="is no adaptation file: not a file"):
        model.session(tmp_path)
