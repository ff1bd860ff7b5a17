"""The four sets of CDFSL in the trees that their downloads make, and csv files that are torn or hostile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hyperflow.datasets.opening import open_datasets
from hyperflow.errors import DataError

from .conftest import ISIC_COLUMNS, isic_rows, pixels_of, write_csv, write_image

ISIC = "ISIC2018_Task3_Training"
WriteIsic = Callable[[Path, str, str], None]


def _write_classes(folder: Path, n_classes: int, suffix: str) -> None:
    for number in range(n_classes):
        write_image(folder / f"class{number:02}" / f"a{suffix}", pixels_of(number, 0))


def test_eurosat_is_read_from_its_folder_or_the_one_above(tmp_path: Path) -> None:
    _write_classes(tmp_path / "EuroSAT/2750", 10, ".jpg")

    for path in (tmp_path, tmp_path / "EuroSAT"):
        (eurosat,) = open_datasets(path)
        assert (eurosat.name, eurosat.class_sizes) == ("EuroSAT", [1] * 10)
        assert eurosat.image(eurosat.member(3)).getpixel((5, 5))[0] == pytest.approx(30, abs=3)


@pytest.mark.parametrize("train", ["dataset/train", "train"])
def test_crop_diseases_takes_the_training_part_only(train: str, tmp_path: Path) -> None:
    _write_classes(tmp_path / "CropDiseases" / train, 38, ".JPG")
    write_image(tmp_path / "CropDiseases" / train.replace("train", "test") / "class99/a.JPG", pixels_of(0, 0))

    (crops,) = open_datasets(tmp_path)

    assert (crops.name, len(crops.classes), "class99" in crops.classes) == ("CropDiseases", 38, False)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (f"{ISIC}_Input", f"{ISIC}_GroundTruth/{ISIC}_GroundTruth.csv"),
        (f"{ISIC}_Input", f"{ISIC}_GroundTruth.csv"),
        ("", f"{ISIC}_GroundTruth.csv"),
    ],
    ids=["nested", "csv beside the images", "flat"],
)
def test_isic_is_read_nested_and_flat(images: str, labels: str, write_isic: WriteIsic, tmp_path: Path) -> None:
    write_isic(tmp_path / "ISIC", images, labels)

    (isic,) = open_datasets(tmp_path)

    assert isic.name == "ISIC"
    assert list(isic.classes) == sorted(ISIC_COLUMNS[1:])
    assert isic.class_sizes == [2] * 7
    for number, name in enumerate(ISIC_COLUMNS[1:]):
        assert [Path(member).stem for member in isic.classes[name]] == [f"ISIC_{n:07}" for n in (number, number + 7)]
        assert isic.image(isic.classes[name][0]).getpixel((5, 5))[0] == pytest.approx(10 * number, abs=4)


def test_isic_without_its_csv_says_where_it_should_be(write_isic: WriteIsic, tmp_path: Path) -> None:
    write_isic(tmp_path, f"{ISIC}_Input", f"{ISIC}_GroundTruth.csv")
    (tmp_path / f"{ISIC}_GroundTruth.csv").unlink()

    with pytest.raises(DataError, match=rf"ISIC: GroundTruth csv missing, expected at .*/{ISIC}_GroundTruth.csv"):
        open_datasets(tmp_path)


def test_images_that_the_csv_names_must_be_there(write_isic: WriteIsic, tmp_path: Path) -> None:
    write_isic(tmp_path, f"{ISIC}_Input", f"{ISIC}_GroundTruth.csv")
    for row in (3, 5):
        (tmp_path / f"{ISIC}_Input/ISIC_{row:07}.jpg").unlink()

    with pytest.raises(DataError, match=r"ISIC: 2 of 14 images that the csv names are absent from .*ISIC_0000003"):
        open_datasets(tmp_path)


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        (ISIC_COLUMNS[:-1], isic_rows(1)[0][:-1], "has no column VASC"),
        (["name", *ISIC_COLUMNS[1:]], isic_rows(1)[0], "has no column image"),
        (ISIC_COLUMNS, ["../../x", *isic_rows(1)[0][1:]], "names '../../x', which is no plain file name"),
        (ISIC_COLUMNS, ["/etc/passwd", *isic_rows(1)[0][1:]], "which is no plain file name"),
        (ISIC_COLUMNS, ["..\\x", *isic_rows(1)[0][1:]], "which is no plain file name"),
        (ISIC_COLUMNS, isic_rows(1)[0][:4], "line 2 is torn"),
        (ISIC_COLUMNS, ["ISIC_1", *["0.0"] * 7], "ISIC_1 has 0 labels, expected 1"),
        (ISIC_COLUMNS, ["ISIC_1", *["1.0"] * 7], "ISIC_1 has 7 labels, expected 1"),
        (ISIC_COLUMNS, ["ISIC_1", *["yes"] * 7], "could not convert"),
        ([], [], "has no column image, MEL"),
    ],
)
def test_a_csv_that_is_wrong_is_refused(
    header: list[str], row: list[str], message: str, write_isic: WriteIsic, tmp_path: Path
) -> None:
    write_isic(tmp_path, f"{ISIC}_Input", f"{ISIC}_GroundTruth.csv")
    write_csv(tmp_path / f"{ISIC}_GroundTruth.csv", header, [row])

    with pytest.raises(DataError, match=rf"{ISIC}_GroundTruth.csv") as caught:
        open_datasets(tmp_path)
    assert message in str(caught.value)


def test_a_csv_of_noise_is_refused(write_isic: WriteIsic, tmp_path: Path) -> None:
    write_isic(tmp_path, f"{ISIC}_Input", f"{ISIC}_GroundTruth.csv")
    (tmp_path / f"{ISIC}_GroundTruth.csv").write_bytes(np.random.default_rng(0).bytes(2000))

    with pytest.raises(DataError, match="is not a readable csv file"):
        open_datasets(tmp_path)


CHESTX_ROWS = [
    ("a.png", "Mass"), ("b.png", "Mass|Nodule"), ("c.png", "No Finding"), ("d.png", "Pneumonia"), ("e.png", "Nodule"),
    ("f.png", "Hernia"), ("g.png", "Mass"),
]  # fmt: skip


@pytest.mark.parametrize("split_up", [False, True], ids=["one folder", "as the archives"])
def test_chestx_keeps_images_with_one_finding_of_the_seven(split_up: bool, tmp_path: Path) -> None:
    rows = [[name, label, "1"] for name, label in CHESTX_ROWS]
    write_csv(tmp_path / "ChestX/Data_Entry_2017.csv", ["Image Index", "Finding Labels", "Follow-up #"], rows)
    for number, (name, _) in enumerate(CHESTX_ROWS):
        folder = f"images_{1 + number % 3:03}/images" if split_up else "images"
        write_image(tmp_path / "ChestX" / folder / name, pixels_of(number, 0))

    (chestx,) = open_datasets(tmp_path)

    found = {label: [Path(member).name for member in members] for label, members in chestx.classes.items()}
    assert (chestx.name, found) == ("ChestX", {"Mass": ["a.png", "g.png"], "Nodule": ["e.png"]})
    np.testing.assert_array_equal(np.asarray(chestx.image(chestx.classes["Nodule"][0])), pixels_of(4, 0))


def test_chestx_without_its_csv_says_where_it_should_be(tmp_path: Path) -> None:
    write_image(tmp_path / "chestX/images/a.png", pixels_of(0, 0))

    with pytest.raises(DataError, match=r"ChestX: Data_Entry_2017.csv missing, expected at .*chestX/Data_Entry"):
        open_datasets(tmp_path)


def test_all_four_are_test_sets_whole(write_isic: WriteIsic, tmp_path: Path) -> None:
    _write_classes(tmp_path / "EuroSAT/2750", 10, ".jpg")
    write_isic(tmp_path / "ISIC", f"{ISIC}_Input", f"{ISIC}_GroundTruth.csv")

    assert [s.name for s in open_datasets(tmp_path, "TEST")] == ["EuroSAT", "ISIC"]
    assert [s.n_images for s in open_datasets(tmp_path, "TEST")] == [s.n_images for s in open_datasets(tmp_path)]
    with pytest.raises(DataError, match="holds no image set of split TRAIN"):
        open_datasets(tmp_path, "TRAIN")


def test_too_few_class_folders_are_refused(tmp_path: Path) -> None:
    _write_classes(tmp_path / "EuroSAT/2750", 4, ".jpg")

    with pytest.raises(DataError, match=r"EuroSAT: 4 class folders in .*2750, expected 10"):
        open_datasets(tmp_path)
