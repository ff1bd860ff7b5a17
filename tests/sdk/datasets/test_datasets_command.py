"""`hyperflow datasets check`: what it says of whole and of broken datasets, and its exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hyperflow.commands.main import main
from hyperflow.datasets.checking import check_datasets

from .conftest import SIZES, pixels_of, write_image
from .test_orbit_tree import write_user

ISIC = "ISIC2018_Task3_Training"


def _check(path: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["datasets", "check", str(path), *options])


def _reports(path: Path, *options: str, exit_code: int = 0) -> list[dict[str, Any]]:
    result = _check(path, "--json", "--quiet", *options)
    assert result.exit_code == exit_code, result.output
    reports: list[dict[str, Any]] = json.loads(result.stdout)
    return reports


def _write_large_set(folder: Path, n_classes: int = 5, n_images: int = 20) -> None:
    for number in range(n_classes):
        for image in range(n_images):
            write_image(folder / f"c{number}" / f"{image:02}.png", pixels_of(number, image, 4))


def test_a_whole_set_is_described_with_the_protocols_it_can_serve(tmp_path: Path) -> None:
    _write_large_set(tmp_path / "desk")

    ((desk,),) = [report["sets"] for report in _reports(tmp_path, "--n-images", "10")]

    assert (desk["name"], desk["n_classes"], desk["n_images"], desk["smallest_class"]) == ("desk", 5, 100, 20)
    assert desk["classes_of_least"] == {"6": 5, "16": 5, "20": 5, "35": 0, "65": 0}
    assert desk["serves"] == ["5-way 1-shot", "5-way 5-shot", "CDFSL 1-shot", "CDFSL 5-shot", "Meta-Dataset"]
    assert "needs 5 classes of 35 images" in desk["cannot_serve"]["CDFSL 20-shot"]
    assert "is not made of videos" in desk["cannot_serve"]["ORBIT CLU-VE"]
    assert desk["n_tried"] == desk["n_decoded"] == 14  # ten spread evenly, and the last of each class but the fifth


def test_the_text_names_what_was_found(tmp_path: Path) -> None:
    _write_large_set(tmp_path / "desk", n_classes=2, n_images=3)

    result = _check(tmp_path, "--n-images", "3")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{tmp_path}/desk: class folders",
        "  desk: 2 classes, 6 images, smallest class 3, 3 of 3 decoded",
        "    classes of at least 6 images: 0, 16 images: 0, 20 images: 0, 35 images: 0, 65 images: 0",
        "    serves no protocol",
    ]


def test_quiet_says_nothing_of_what_is_whole_and_all_of_what_is_not(tmp_path: Path) -> None:
    _write_large_set(tmp_path / "desk", n_classes=2, n_images=3)
    assert _check(tmp_path, "--quiet").output == ""

    (tmp_path / "desk/c1/02.png").write_bytes(b"no image")
    result = _check(tmp_path, "--quiet", "--n-images", "1")

    assert result.exit_code == 1
    assert "    BROKEN desk/c1/02.png cannot be decoded" in result.stdout


def test_every_image_that_does_not_decode_is_named_and_the_rest_still_checked(tmp_path: Path) -> None:
    _write_large_set(tmp_path / "desk", n_classes=2, n_images=5)
    for name in ("c0/01.png", "c1/03.png"):
        (tmp_path / "desk" / name).write_bytes(b"")

    ((desk,),) = [report["sets"] for report in _reports(tmp_path, exit_code=1)]

    assert [line.split(" ")[0] for line in desk["broken"]] == ["desk/c0/01.png", "desk/c1/03.png"]
    assert (desk["n_tried"], desk["n_decoded"]) == (10, 8)


def test_class_files_that_are_absent_or_torn_are_told_apart(class_files: Path) -> None:
    next(class_files.glob("0.[th]*")).unlink()
    torn = next(class_files.glob("3.[th]*"))
    torn.write_bytes(torn.read_bytes()[:-40])

    (report,) = _reports(class_files, "--n-images", "1", exit_code=1)

    assert report["layout"] == "Meta-Dataset"
    assert len(report["missing"]) == 1
    assert "1 of 6 class files that" in report["missing"][0]
    (birds,) = report["sets"]
    assert birds["n_images"] == sum(SIZES)
    assert any(torn.name in line or "birds/3/4" in line for line in birds["broken"])
    assert _reports(class_files, "--split", "TEST")[0]["sets"][0]["n_classes"] == 2


def test_what_cannot_be_opened_does_not_hide_the_rest(
    write_isic: Callable[[Path, str, str], None], tmp_path: Path
) -> None:
    write_isic(tmp_path / "ISIC", f"{ISIC}_Input", f"{ISIC}_GroundTruth.csv")
    (tmp_path / f"ISIC/{ISIC}_GroundTruth.csv").unlink()
    (tmp_path / "broken.zip").write_bytes(b"PK")
    _write_large_set(tmp_path / "desk", n_classes=2, n_images=3)

    broken, desk, isic = sorted(_reports(tmp_path, exit_code=1), key=lambda report: str(report["path"]).lower())

    assert "is not a readable zip file" in broken["missing"][0]
    assert (desk["missing"], desk["sets"][0]["n_images"]) == ([], 6)
    assert isic["missing"][0].startswith("ISIC: GroundTruth csv missing, expected at ")


def test_orbit_lists_what_it_lacks_and_still_shows_its_users(tmp_path: Path) -> None:
    write_user(tmp_path, "P1")
    (tmp_path / "annotations/test/P1--mug--clutter--0.json").unlink()

    (report,) = _reports(tmp_path, exit_code=1)

    assert "1 of 2 clutter videos of test have no annotation" in report["missing"][0]
    assert [entry["name"] for entry in report["sets"]] == ["P1"]


def test_no_image_is_read_when_none_is_asked_for(tmp_path: Path) -> None:
    _write_large_set(tmp_path / "desk", n_classes=2, n_images=3)
    (tmp_path / "desk/c1/02.png").write_bytes(b"no image")

    assert _reports(tmp_path, "--n-images", "0")[0]["sets"][0]["n_tried"] == 0


def test_progress_counts_every_image_of_all_sets(tmp_path: Path) -> None:
    for name in ("desk", "kitchen"):
        _write_large_set(tmp_path / name, n_classes=2, n_images=3)
    seen: list[tuple[str, int]] = []

    check_datasets(tmp_path, n_images=100, progress=lambda name, n_all: seen.append((name, n_all)))

    assert seen == [("desk", 12)] * 6 + [("kitchen", 12)] * 6


@pytest.mark.parametrize("arguments", [["nowhere"], []])
def test_a_path_without_datasets_is_one_line_and_no_traceback(arguments: list[str], tmp_path: Path) -> None:
    result = _check(tmp_path.joinpath(*arguments))

    assert result.exit_code in (1, 2)
    assert isinstance(result.exception, SystemExit)
    assert "holds no dataset in a known layout" in result.stderr or "does not exist" in result.stderr


def test_help_needs_no_heavy_import() -> None:
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom hyperflow.commands.main import main\n"
        "result = CliRunner().invoke(main, ['datasets', 'check', '--help'])\nassert 'Example' in result.output\n"
        "heavy = {'torch', 'numpy', 'PIL', 'h5py', 'tfrecord'} & set(sys.modules)\nassert not heavy, heavy"
    )

    subprocess.run([sys.executable, "-c", code], check=True)
