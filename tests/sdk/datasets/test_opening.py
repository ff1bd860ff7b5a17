"""Class folders among other layouts: splits.json, folders of several sets, and what is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hyperflow.datasets.opening import open_datasets
from hyperflow.errors import DataError

from .conftest import encoded, pixels_of, plain_spec, write_image, write_records, write_spec


def _write_classes(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        write_image(folder / name / "a.png", pixels_of(number, 0))


def test_a_folder_may_hold_sets_of_several_layouts(tmp_path: Path) -> None:
    _write_classes(tmp_path / "desk", "pen", "mug")
    with zipfile.ZipFile(tmp_path / "animals.zip", "w") as archive:
        archive.writestr("cat/a.png", encoded(pixels_of(0, 0)))
    write_spec(tmp_path / "trees", **plain_spec((0, 0, 1), [1]))
    write_records(tmp_path / "trees/0.tfrecords", [pixels_of(1, 1)])
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("about these sets")

    sets = open_datasets(tmp_path)

    assert [image_set.name for image_set in sets] == ["animals", "desk", "trees"]
    assert all(image_set.image(image_set.member(0)).size == (12, 12) for image_set in sets)


def test_one_set_is_opened_by_its_own_path(tmp_path: Path) -> None:
    _write_classes(tmp_path / "desk", "pen", "mug")
    with zipfile.ZipFile(tmp_path / "animals.zip", "w") as archive:
        archive.writestr("cat/a.png", encoded(pixels_of(0, 0)))

    assert [s.name for s in open_datasets(tmp_path / "desk")] == ["desk"]
    assert [s.name for s in open_datasets(tmp_path / "animals.zip")] == ["animals"]


@pytest.mark.parametrize("name", ["splits.json", "desk_splits.json"])
@pytest.mark.parametrize("key", ["valid", "validation", "val", "VALID"])
def test_class_folders_with_a_list_of_splits_are_divided(name: str, key: str, tmp_path: Path) -> None:
    _write_classes(tmp_path / "desk", "pen", "mug", "key", "cup", "unused")
    (tmp_path / "desk" / name).write_text(json.dumps({"train": ["pen", "cup"], key: ["mug"], "test": ["key"]}))

    assert list(open_datasets(tmp_path, "TRAIN")[0].classes) == ["cup", "pen"]
    assert list(open_datasets(tmp_path, "VALID")[0].classes) == ["mug"]
    assert list(open_datasets(tmp_path / "desk", "TEST")[0].classes) == ["key"]
    assert list(open_datasets(tmp_path)[0].classes) == ["cup", "key", "mug", "pen"]


def test_a_split_that_names_an_absent_class_is_refused(tmp_path: Path) -> None:
    _write_classes(tmp_path / "desk", "pen")
    (tmp_path / "desk/splits.json").write_text(json.dumps({"train": ["pen", "../../secret"]}))

    with pytest.raises(DataError, match=r"1 of 2 classes that .*splits.json names are absent \(../../secret"):
        open_datasets(tmp_path, "TRAIN")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"train": "pen"}', "\ud800".encode("utf-8", "surrogatepass").decode("latin1")]
)
def test_a_torn_list_of_splits_is_refused(text: str, tmp_path: Path) -> None:
    _write_classes(tmp_path / "desk", "pen")
    (tmp_path / "desk/splits.json").write_text(text)

    with pytest.raises(DataError, match=r"splits\.json is not a readable list of splits"):
        open_datasets(tmp_path)


def test_a_split_of_a_set_that_is_not_divided_is_refused(tmp_path: Path) -> None:
    _write_classes(tmp_path / "desk", "pen")

    with pytest.raises(DataError, match=r"desk has no TEST split.*ask for no split, or add a splits.json"):
        open_datasets(tmp_path, "TEST")


def test_an_empty_split_gives_no_set_but_others_are_opened(tmp_path: Path) -> None:
    write_spec(tmp_path / "signs", **plain_spec((0, 0, 1), [1]))
    write_records(tmp_path / "signs/0.tfrecords", [pixels_of(1, 1)])
    write_spec(tmp_path / "trees", **plain_spec((1, 0, 0), [1]))
    write_records(tmp_path / "trees/0.tfrecords", [pixels_of(1, 1)])

    assert [s.name for s in open_datasets(tmp_path, "TRAIN")] == ["trees"]
    with pytest.raises(DataError, match="holds no image set of split TRAIN"):
        open_datasets(tmp_path / "signs", "TRAIN")


def test_two_sets_of_one_name_are_refused(tmp_path: Path) -> None:
    _write_classes(tmp_path / "desk", "pen")
    with zipfile.ZipFile(tmp_path / "desk.zip", "w") as archive:
        archive.writestr("cat/a.png", encoded(pixels_of(0, 0)))

    with pytest.raises(DataError, match="several sets named desk; rename or remove all but one"):
        open_datasets(tmp_path)


def test_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()

    with pytest.raises(DataError, match="holds no image set: expected zip files or folders"):
        open_datasets(tmp_path)
    with pytest.raises(DataError, match="no image set at"):
        open_datasets(tmp_path / "nowhere")


def test_links_that_lead_in_circles_do_no_harm(tmp_path: Path) -> None:
    _write_classes(tmp_path / "desk", "pen")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    (tmp_path / "desk/again").symlink_to(tmp_path / "desk")
    (tmp_path / "desk/pen/b.png").symlink_to(tmp_path / "desk/pen/b.png")

    (desk,) = open_datasets(tmp_path)

    np.testing.assert_array_equal(np.asarray(desk.image("pen/a.png")), pixels_of(0, 0))
    with pytest.raises(DataError, match=r"desk/pen/b\.png cannot be decoded"):
        desk.image("pen/b.png")


def test_a_zip_member_that_unpacks_to_a_giant_is_refused_unread(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("cat/a.png", "w") as member:
            for _ in range(257):
                member.write(bytes(1 << 20))

    with pytest.raises(DataError, match=r"bomb/cat/a.png cannot be decoded \(269,484,032 bytes, more than"):
        open_datasets(tmp_path)[0].image("cat/a.png")


def test_rows_are_counted_through_the_classes(tmp_path: Path) -> None:
    for name, n_images in (("b", 2), ("a", 3), ("c", 1)):
        for number in range(n_images):
            write_image(tmp_path / "desk" / name / f"{number}.png", pixels_of(0, 0))
    (desk,) = open_datasets(tmp_path)

    assert [desk.member(row) for row in range(6)] == ["a/0.png", "a/1.png", "a/2.png", "b/0.png", "b/1.png", "c/0.png"]
    for row in (-1, 6):
        with pytest.raises(IndexError, match=f"row {row} of 6 images"):
            desk.member(row)
