"""The folder of unknown things: bounded, whole files, and nobody else's files touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from inspection.unknown_pictures import UnknownPictures

RNG = np.random.default_rng(0)


def frame() -> np.ndarray:
    return RNG.integers(0, 255, (120, 160, 3), dtype=np.uint8)


def test_a_picture_is_the_frame_in_its_own_colours_named_by_time_and_event(tmp_path: Path) -> None:
    red_bgr = np.zeros((120, 160, 3), np.uint8)
    red_bgr[:, :, 2] = 220

    name = UnknownPictures(tmp_path / "unknowns", max_bytes=10**6).keep(red_bgr, "0123456789ab-17")

    assert name.endswith("Z_0123456789ab-17.jpg")
    with Image.open(tmp_path / "unknowns" / name) as picture:
        assert picture.size == (160, 120)
        red, green, blue = picture.convert("RGB").getpixel((80, 60))
    assert (red > 200, green < 40, blue < 40) == (True, True, True)


def test_the_oldest_go_when_the_folder_is_full_and_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "mug.jpg").write_bytes(b"x" * 200_000)
    one = UnknownPictures(tmp_path / "probe", max_bytes=10**6)
    size = (tmp_path / "probe" / one.keep(frame(), "0123456789ab-1")).stat().st_size
    pictures = UnknownPictures(tmp_path, max_bytes=int(size * 3.5))

    names = [pictures.keep(frame(), f"0123456789ab-{number}") for number in range(8)]

    kept = sorted(file.name for file in tmp_path.glob("*Z_*.jpg"))
    assert kept == sorted(names)[-3:]
    assert (tmp_path / "notes.txt").exists()
    assert (tmp_path / "mug.jpg").exists()
    assert pictures.n_kept == 8


def test_what_a_kill_left_is_cleaned_up_and_counts(tmp_path: Path) -> None:
    (tmp_path / "20260101T000000.000Z_0123456789ab-1.jpg.part").write_bytes(b"half")
    (tmp_path / "20260101T000000.000Z_0123456789ab-1.jpg").write_bytes(b"x" * 5000)

    pictures = UnknownPictures(tmp_path, max_bytes=6000)
    assert not list(tmp_path.glob("*.part"))
    name = pictures.keep(frame(), "0123456789ab-2")

    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_pictures_of_the_future_go_first_when_the_clock_was_set_back(tmp_path: Path) -> None:
    probe = UnknownPictures(tmp_path / "probe", max_bytes=10**6)
    size = (tmp_path / "probe" / probe.keep(frame(), "0123456789ab-1")).stat().st_size
    for number in range(3):
        (tmp_path / f"29990101T000000.00{number}Z_0123456789ab-{number}.jpg").write_bytes(b"x" * size)
    pictures = UnknownPictures(tmp_path, max_bytes=int(size * 3.5))

    names = [pictures.keep(frame(), f"0123456789ab-{number}") for number in range(3)]

    assert sorted(file.name for file in tmp_path.glob("*.jpg")) == sorted(names)
