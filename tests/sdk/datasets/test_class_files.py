"""Meta-Dataset as records and HDF5: what is read back, splits, and files that are torn or hostile."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfrecord import TFRecordWriter

from hyperflow.datasets import records
from hyperflow.datasets.opening import open_datasets
from hyperflow.errors import DataError
from hyperflow.images.open_files import OpenFiles

from .conftest import SIZES, pixels_of, plain_spec, write_h5, write_records, write_spec


def test_every_image_is_read_back_pixel_by_pixel(class_files: Path) -> None:
    (birds,) = open_datasets(class_files)

    assert (birds.name, birds.class_sizes, birds.n_images) == ("birds", SIZES, sum(SIZES))
    assert list(birds.classes) == ["c0", "c1", "c2", "c3", "c4", "c5"]
    rows = iter(range(birds.n_images))
    for number, group in enumerate(birds.classes.values()):
        for image, member in enumerate(group):
            assert member == birds.member(next(rows))
            np.testing.assert_array_equal(np.asarray(birds.image(member)), pixels_of(number, image))


@pytest.mark.parametrize(("split", "names"), [("TRAIN", ["c0", "c1", "c2"]), ("VALID", ["c3"]), ("TEST", ["c4", "c5"])])
def test_a_split_has_its_classes_and_no_other(class_files: Path, split: str, names: list[str]) -> None:
    (birds,) = open_datasets(class_files.parent, split)

    assert list(birds.classes) == names
    first = int(names[0][1:])
    np.testing.assert_array_equal(np.asarray(birds.image(birds.member(0))), pixels_of(first, 0))


def test_a_set_can_be_sent_to_another_process(class_files: Path) -> None:
    (birds,) = open_datasets(class_files)
    birds.image("0/0")

    copy = pickle.loads(pickle.dumps(birds))

    np.testing.assert_array_equal(np.asarray(copy.image("5/5")), pixels_of(5, 5))


def test_a_forked_process_opens_its_own_files(class_files: Path) -> None:
    (birds,) = open_datasets(class_files)
    birds.image("0/0")
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(np.asarray(birds.image("0/1")), pixels_of(0, 1)) else 1)

    assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(np.asarray(birds.image("0/2")), pixels_of(0, 2))


def test_several_threads_may_read_at_once(class_files: Path) -> None:
    (birds,) = open_datasets(class_files)
    rows = list(range(birds.n_images)) * 5
    expected = [pixels_of(number, image) for number, size in enumerate(SIZES) for image in range(size)]

    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(lambda row: np.asarray(birds.image(birds.member(row))), rows))

    for row, image in zip(rows, images, strict=True):
        np.testing.assert_array_equal(image, expected[row])


def test_class_files_that_the_specification_names_must_be_there(class_files: Path) -> None:
    for name in ("0", "4"):
        next(class_files.glob(f"{name}.[th]*")).unlink()

    with pytest.raises(DataError, match=r"2 of 6 class files that .*dataset_spec.json names are absent \(0\."):
        open_datasets(class_files)
    with pytest.raises(DataError, match=r"1 of 2 class files .* are absent \(4\.[a-z0-9]+\)"):
        open_datasets(class_files, "TEST")
    assert open_datasets(class_files, "VALID")[0].class_sizes == [5]


def test_a_class_file_with_fewer_images_than_the_specification_says_is_refused(class_files: Path) -> None:
    write_spec(class_files, **plain_spec((3, 1, 2), [*SIZES[:5], 9]))
    (birds,) = open_datasets(class_files)

    with pytest.raises(DataError, match=r"has 6 records, but image 9 of its class|no group 8; the file holds 6"):
        birds.image("5/8")


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.6, 0.95])
def test_a_class_file_that_was_cut_off_is_refused(class_files: Path, kept: float) -> None:
    path = next(class_files.glob("5.[th]*"))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    (birds,) = open_datasets(class_files)

    with pytest.raises(DataError, match=r"5\.(tfrecords|h5)|birds/5/5|5\.index does not fit"):
        birds.image("5/5")


def test_open_files_never_exceed_the_limit_and_stay_right(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.txt" for number in range(20)]
    for path in paths:
        path.write_text(path.stem)
    files = OpenFiles(lambda path: path.open("rb"), limit=3)

    for path in [*paths, *reversed(paths)]:
        with files.use(path) as handle:
            assert handle.read() in (path.stem.encode(), b"")  # again at its end when it was kept open
        assert len(files) <= 3


def test_more_classes_than_files_may_be_open_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_OPEN_RECORDS", OpenFiles(records._RecordFile, limit=4))
    write_spec(tmp_path / "many", **plain_spec((0, 0, 30), [1] * 30))
    for number in range(30):
        write_records(tmp_path / f"many/{number}.tfrecords", [pixels_of(number, 0)])
    (many,) = open_datasets(tmp_path / "many")

    def n_open() -> int:
        return sum("/many/" in os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd"))

    for number in range(30):
        np.testing.assert_array_equal(np.asarray(many.image(f"{number}/0")), pixels_of(number, 0))
    assert n_open() == 4


def test_a_file_that_was_replaced_is_opened_again(class_files: Path) -> None:
    (birds,) = open_datasets(class_files)
    birds.image("0/0")
    path = next(class_files.glob("0.[th]*"))
    write = write_h5 if path.suffix == ".h5" else write_records
    write(path.with_name("new"), [pixels_of(7, 7), pixels_of(7, 8)])
    path.with_suffix(".index").unlink(missing_ok=True)
    path.with_name("new").replace(path)

    np.testing.assert_array_equal(np.asarray(birds.image("0/1")), pixels_of(7, 8))


def _one_class(folder: Path) -> Path:
    write_spec(folder, **plain_spec((0, 0, 1), [3]))
    write_records(folder / "0.tfrecords", [pixels_of(0, image) for image in range(3)])
    return folder / "0.tfrecords"


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_one_changed_byte_in_a_record_never_goes_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("torn") / "set"
    path = _one_class(folder)
    whole = bytearray(path.read_bytes())
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    (images,) = open_datasets(folder)

    with pytest.raises(DataError, match=r"0\.tfrecords is torn"):
        _ = [images.image(member) for member in images.classes["c0"]]


def test_a_record_that_claims_a_huge_length_is_refused_unread(tmp_path: Path) -> None:
    path = _one_class(tmp_path / "set")
    length = struct.pack("<Q", 1 << 60)
    path.write_bytes(length + TFRecordWriter.masked_crc(length) + b"x" * 50)
    (images,) = open_datasets(tmp_path / "set")

    with pytest.raises(DataError, match="it ends inside the record at byte 0"):
        images.image("0/0")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"label": (1, "int")}, "no feature `image`"),
        ({"image": ([b"a", b"b"], "byte")}, "no feature `image`"),
        ({"image": (3, "int")}, "no feature `image`"),
        ({"image": (b"no image", "byte")}, "cannot identify image"),
    ],
)
def test_a_record_without_an_image_is_refused(
    record: dict[str, tuple[object, str]], message: str, tmp_path: Path
) -> None:
    path = _one_class(tmp_path / "set")
    writer = TFRecordWriter(str(path))
    writer.write(record)
    writer.close()
    (images,) = open_datasets(tmp_path / "set")

    with pytest.raises(DataError, match=rf"set/0/0 cannot be decoded \(.*{message}"):
        images.image("0/0")


def test_a_record_that_is_no_example_is_refused(tmp_path: Path) -> None:
    path = _one_class(tmp_path / "set")
    data, length = b"\xff" * 20, struct.pack("<Q", 20)
    path.write_bytes(length + TFRecordWriter.masked_crc(length) + data + TFRecordWriter.masked_crc(data))
    (images,) = open_datasets(tmp_path / "set")

    with pytest.raises(DataError, match=r"the record is no tf.Example"):
        images.image("0/0")


@pytest.mark.parametrize("text", ["0 10\n10 10\n", "5 5\n", "a b\n", "1\n", "", "0 99999999999999999999999\n"])
def test_an_index_that_does_not_fit_its_file_is_refused(text: str, tmp_path: Path) -> None:
    path = _one_class(tmp_path / "set")
    path.with_suffix(".index").write_text(text)
    (images,) = open_datasets(tmp_path / "set")

    with pytest.raises(DataError, match=r"0\.index .*; delete it, and it is not needed"):
        images.image("0/0")


def _no_image(file: h5py.File) -> None:
    del file["0/image"]


def _floats(file: h5py.File) -> None:
    _no_image(file)
    file["0"].create_dataset("image", data=np.zeros((4, 4, 3)))


def _a_flat_list(file: h5py.File) -> None:
    _no_image(file)
    file["0"].create_dataset("image", data=np.zeros(48, np.uint8))


def _a_bomb(file: h5py.File) -> None:
    _no_image(file)
    file["0"].create_dataset("image", shape=(10**6, 10**6, 3), dtype=np.uint8, chunks=(10, 10, 3), compression="gzip")


def _a_group(file: h5py.File) -> None:
    _no_image(file)
    file["0"].create_group("image")


def _a_link_to_another_file(file: h5py.File) -> None:
    _no_image(file)
    file["0"]["image"] = h5py.ExternalLink("1.h5", "/0/image")


def _a_group_in_another_file(file: h5py.File) -> None:
    del file["0"]
    file["0"] = h5py.ExternalLink("1.h5", "/0")


def _raw_bytes_of_another_file(file: h5py.File) -> None:
    _no_image(file)
    secret = str(Path(file.filename).with_name("secret"))
    file["0"].create_dataset("image", (4, 4, 3), np.uint8, external=[(secret, 0, h5py.h5f.UNLIMITED)])


@pytest.mark.parametrize(
    "spoil",
    [
        _no_image, _floats, _a_flat_list, _a_bomb, _a_group, _a_link_to_another_file, _a_group_in_another_file,
        _raw_bytes_of_another_file,
    ],
)  # fmt: skip
def test_an_h5_class_without_pixels_of_its_own_is_refused(spoil: Callable[[h5py.File], None], tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/secret").write_bytes(bytes(1000))
    for name in ("0", "1"):
        write_h5(tmp_path / f"set/{name}.h5", [pixels_of(0, 0)])
    with h5py.File(tmp_path / "set/0.h5", "a") as file:
        spoil(file)
    (images,) = open_datasets(tmp_path / "set")

    with pytest.raises(DataError, match=r"set/0/0 cannot be decoded \((there is no group|group 0 has no|`image` of)"):
        images.image("0/0")
    assert images.image("1/0").size == (12, 12)


def test_h5_classes_without_a_specification_have_no_splits(tmp_path: Path) -> None:
    for number in (0, 2, 10):
        write_h5(tmp_path / f"own/{number}.h5", [pixels_of(number, 0)] * (number + 1))

    (own,) = open_datasets(tmp_path)

    assert {name: len(group) for name, group in own.classes.items()} == {"0": 1, "2": 3, "10": 11}
    with pytest.raises(DataError, match="has no TEST split"):
        open_datasets(tmp_path, "TEST")


def test_grey_h5_images_become_rgb(tmp_path: Path) -> None:
    write_h5(tmp_path / "quickdraw/0.h5", [np.full((28, 28), 9, np.uint8)])

    image = open_datasets(tmp_path)[0].image("0/0")

    assert (image.mode, image.size, image.getpixel((0, 0))) == ("RGB", (28, 28), (9, 9, 9))
