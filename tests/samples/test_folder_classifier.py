"""The folder classifier as a user runs it: folders in, labels, tables, a picture and an adaptation out."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).resolve().parents[2] / "samples/folder_classifier/classify.py"
COLOURS = {"red": (200, 40, 30), "green": (30, 180, 60), "blue": (40, 50, 210)}


def write_photos(folder: Path, label: str, n: int, seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for index in range(n):
        pixels = np.clip(np.array(COLOURS[label]) + rng.normal(0, 25, (50, 70, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{label}-{index}.jpg")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed, label in enumerate(COLOURS):
        write_photos(tmp_path / "known" / label, label, 4, seed)
        write_photos(tmp_path / "new" / label, label, 2, seed + 10)
        write_photos(tmp_path / "flat", label, 1, seed + 20)
    return tmp_path


def classify(*arguments: object, bundle: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(SCRIPT), *map(str, arguments), "--bundle", str(bundle)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_labelled_queries_give_tables_a_picture_and_an_adaptation(photos: Path, tiny_bundle: Path) -> None:
    sheet, saved = photos / "sheet.png", photos / "desk.adaptation"

    done = classify(photos / "known", photos / "new", "--picture", sheet, "--save", saved, bundle=tiny_bundle)

    assert done.returncode == 0, done.stderr
    assert "Named right" in done.stdout
    assert "direct" in done.stdout
    with Image.open(sheet) as picture:
        assert picture.width > 500
    assert saved.stat().st_size > 1000


@pytest.mark.parametrize(("query", "n_answers"), [("new", 6), ("flat", 3), ("flat/red-0.jpg", 1), (None, 6)])
def test_json_names_every_query_however_it_is_given(
    photos: Path, tiny_bundle: Path, query: str | None, n_answers: int
) -> None:
    given = [] if query is None else [photos / query]

    done = classify(photos / "known", *given, "--n-shot", 2, "--json", bundle=tiny_bundle)

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert len(result["photos"]) == n_answers
    assert all(set(photo["scores"]) == set(COLOURS) for photo in result["photos"])
    has_truth = query in ("new", None)
    assert (result["accuracy_adapted"] is not None) == has_truth


def test_without_a_query_no_photo_is_learned_from_and_asked_about(photos: Path, tiny_bundle: Path) -> None:
    done = classify(photos / "known", "--n-shot", 3, "--json", bundle=tiny_bundle)

    result = json.loads(done.stdout)
    assert result["n_shots"] == dict.fromkeys(sorted(COLOURS), 3)
    assert len(result["photos"]) == 3


def test_unlabelled_photos_can_be_drawn_too(photos: Path, tiny_bundle: Path) -> None:
    done = classify(photos / "known", photos / "flat", "--picture", photos / "sheet.png", bundle=tiny_bundle)

    assert done.returncode == 0, done.stderr
    assert (photos / "sheet.png").exists()
    assert "Answers" in done.stdout


def test_bad_folders_end_in_one_clear_line(photos: Path, tiny_bundle: Path) -> None:
    (photos / "empty").mkdir()
    shutil.copytree(photos / "known/red", photos / "one/red")
    (photos / "torn/red").mkdir(parents=True)
    (photos / "torn/red/a.jpg").write_bytes((photos / "known/red/red-0.jpg").read_bytes()[:200])
    for support, query, reason in (
        ("empty", "new", "CLASS/IMAGE"),
        ("known", "empty", "CLASS/IMAGE"),
        ("one", "new", "at least two classes"),
        ("torn", "new", "cannot be read as an image"),
    ):
        done = classify(photos / support, photos / query, bundle=tiny_bundle)

        assert done.returncode == 1, support
        assert reason in done.stderr
        assert "Traceback" not in done.stderr


def test_a_class_with_one_photo_cannot_be_divided(photos: Path, tiny_bundle: Path) -> None:
    write_photos(photos / "few/red", "red", 1, 0)
    write_photos(photos / "few/blue", "blue", 3, 0)

    done = classify(photos / "few", bundle=tiny_bundle)

    assert done.returncode == 1
    assert "'red' has one photo" in done.stderr
