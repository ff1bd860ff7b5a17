"""The app without a window, as it runs over SSH: lines, videos, adaptations, and what it says of mistakes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

cv2 = pytest.importorskip("cv2")

Run = Callable[..., subprocess.CompletedProcess[str]]

LESSONS = "0-13: 1, 15-28: 2, 30-43: 3"
"""Three pictures each of red, green and blue, at 30 frames and at most five pictures a second."""
NAMES = ("--names", "red,green,blue")


def events(output: str, kind: str) -> list[dict[str, Any]]:
    return [event for event in map(json.loads, output.splitlines()) if event["event"] == kind]


def n_pictures(path: Path) -> int:
    capture, n = cv2.VideoCapture(str(path)), 0
    while capture.read()[0]:
        n += 1
    capture.release()
    return n


def test_a_scripted_run_learns_names_saves_and_films_every_frame(run: Run, film: Path, tmp_path: Path) -> None:
    done = run(
        "--headless", "--camera", f"{film}?fps=30", *NAMES, "--script", LESSONS + ", 74: s",
        "--video", "out.mp4", "--save", "desk.adaptation", "--json",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    shots = events(done.stdout, "shot")
    assert [(shot["frame"], shot["label"]) for shot in shots] == [
        (0, "red"), (6, "red"), (12, "red"), (15, "green"), (21, "green"), (27, "green"), (30, "blue"), (36, "blue"),
        (42, "blue"),
    ]  # fmt: skip
    assert [event["label"] for event in events(done.stdout, "label")][-2:] == ["red", "green"]
    assert events(done.stdout, "adapted")[-1]["leave_one_out_accuracy"] is not None
    assert events(done.stdout, "saved")[0]["frame"] == 74
    assert n_pictures(tmp_path / "out.mp4") == 75
    assert sorted(file.name for file in tmp_path.iterdir()) == ["desk.adaptation", "out.mp4"]
    assert "not saved" not in done.stderr


@pytest.mark.parametrize("camera", ["FILM?fps=30", "synthetic://?width=160&height=120&fps=30"])
def test_the_same_script_gives_the_same_lines_twice(run: Run, film: Path, camera: str) -> None:
    camera = camera.replace("FILM", str(film))
    scenes = ", 0: show mug, 14: show leaf, 29: show key, 50: show mug, 99: q" if camera.startswith("synth") else ""
    script = LESSONS + scenes
    first, second = (run("--headless", "--camera", camera, *NAMES, "--script", script, "--json") for _ in range(2))

    assert first.returncode == 0, first.stderr
    for kind in ("shot", "label"):
        assert events(first.stdout, kind) == events(second.stdout, kind)
    assert "not saved" in first.stderr


def test_a_saved_adaptation_is_gone_on_with_under_its_names(run: Run, film: Path, tmp_path: Path) -> None:
    run("--headless", "--camera", f"{film}?fps=30", *NAMES, "--script", LESSONS + ", 74: s")

    done = run(
        "--headless", "--camera", f"{film}?fps=30", "--adaptation", "desk.adaptation", "--names", "grey",
        "--script", "40: 3, 41: 4", "--json",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert events(done.stdout, "label")[0]["label"] == "red"
    assert [(shot["label"], shot["n_shots"]) for shot in events(done.stdout, "shot")] == [("blue", 4), ("grey", 1)]


def test_undo_takes_back_the_last_picture_and_clear_everything(run: Run, film: Path) -> None:
    done = run(
        "--headless", "--camera", f"{film}?fps=30", *NAMES, "--json",
        "--script", LESSONS + ", 45: u, 46: c, 50: c, 55: u, 56: s, 57: c, 74: c",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert events(done.stdout, "undone")[0]["n_shots"] == {"red": 3, "green": 3, "blue": 2}
    assert events(done.stdout, "undone")[1]["n_shots"] == {"blue": 2}
    assert [event["frame"] for event in events(done.stdout, "cleared")] == [50, 74]
    assert "not saved" in events(done.stdout, "refused")[0]["text"]


def test_undo_and_save_with_nothing_learned_are_refused_and_the_run_goes_on(run: Run, film: Path) -> None:
    done = run("--headless", "--camera", f"{film}?fps=30", "--script", "1: u, 2: s, 3: q", "--json", *NAMES)

    assert done.returncode == 0, done.stderr
    assert [event["frame"] for event in events(done.stdout, "refused")] == [1, 2]


def test_before_and_after_pause_mirror_and_help_change_what_is_shown(run: Run, film: Path, tmp_path: Path) -> None:
    done = run(
        "--headless", "--camera", f"{film}?fps=30", *NAMES, "--json", "--video", "out.avi",
        "--script", LESSONS + ", 46: b, 50: space, 60: space, 61: f, 62: h, 70: b",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert [event["text"] for event in events(done.stdout, "view")] == [
        "answers without the adaptation", "answers as adapted",
    ]  # fmt: skip
    assert n_pictures(tmp_path / "out.avi") == 75


def test_plain_lines_tell_of_each_change_of_the_label(run: Run, film: Path) -> None:
    done = run("--headless", "--camera", f"{film}?fps=30", *NAMES, "--script", LESSONS)

    assert done.returncode == 0, done.stderr
    assert "0.00 s  red: picture 1\n" in done.stdout
    assert any(line.split()[2] == "green" and line.endswith("%") for line in done.stdout.splitlines())


@pytest.mark.parametrize("limit", [("--frames", 20), ("--seconds", 0.667)])
def test_a_run_ends_after_so_many_frames_or_seconds(
    run: Run, film: Path, tmp_path: Path, limit: tuple[str, float]
) -> None:
    done = run(
        "--headless", "--every-frame", "--camera", f"{film}?fps=30&loop=true", "--video", "out.mp4", *limit
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert n_pictures(tmp_path / "out.mp4") in (20, 21)


def test_the_rendered_scene_shows_what_the_script_asks_for(run: Run) -> None:
    done = run(
        "--headless", "--camera", "synthetic://?width=160&height=120&fps=30", "--names", "mug,leaf", "--json",
        "--script", "0: show mug, 5-30: 1, 40: show leaf, 50-80: 2, 90: show mug, 140: q",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert [(event["frame"], event["label"]) for event in events(done.stdout, "shot")] == [
        *((frame, "mug") for frame in (5, 11, 17, 23, 29)), *((frame, "leaf") for frame in (50, 56, 62, 68, 74)),
    ]  # fmt: skip
    assert {event["seen"] for event in events(done.stdout, "label")} <= {"mug", "leaf"}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--camera", "/dev/video77"), "/dev/video77"),
        (("--camera", "synthetik://"), "synthetik"),
        (("--camera", "no-such-film.mp4"), "no-such-film.mp4"),
        (("--camera", "synthetic://", "--script", "1s: x"), "no key"),
        (("--camera", "synthetic://", "--script", "absent.keys"), "absent.keys"),
        (("--camera", "synthetic://", "--script", "1s: show unicorn"), "unicorn"),
        (("--camera", "FILM", "--script", "1s: show mug"), "no scene"),
        (("--camera", "synthetic://", "--names", "a,a"), "--names"),
        (("--camera", "synthetic://", "--video", "out.gif"), ".mp4 or .avi"),
        (("--camera", "synthetic://", "--adaptation", "absent.adaptation"), "absent.adaptation"),
        (("--camera", "synthetic://", "--width", "3"), "width"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_ends_in_one_clear_line(
    run: Run, film: Path, arguments: tuple[str, ...], reason: str
) -> None:
    done = run("--headless", *(str(film) if argument == "FILM" else argument for argument in arguments))

    assert done.returncode == 1
    assert reason in done.stderr
    assert done.stderr.startswith("Error: ")
    assert "Traceback" not in done.stderr


def test_a_missing_bundle_is_named(run: Run, tmp_path: Path) -> None:
    done = run("--headless", "--camera", "synthetic://", bundle=tmp_path / "absent.hyperflow")

    assert done.returncode == 1
    assert "absent.hyperflow" in done.stderr


def test_no_screen_is_one_clear_line_with_the_next_move(run: Run) -> None:
    done = run("--camera", "synthetic://")

    assert done.returncode == 1
    assert "--headless" in done.stderr
    assert "samples/studio" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_goes_away_is_no_error(command: Callable[..., list[str]], film: Path, tmp_path: Path) -> None:
    arguments = command("--headless", "--camera", f"{film}?fps=30&loop=true", *NAMES, "--script", LESSONS, "--json")
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()

        assert process.wait(timeout=60) == 0
    assert "Traceback" not in errors
