"""The picture of a line, from a file of events."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from line_inspector_parts import SCRIPT
from PIL import Image

from line_events.event import AnyEvent, CameraLost, LabelChanged, Started, encode_event
from line_events.stamping import Stamp
from timeline.reading import last_events, stretches


def stamp(number: int, at_s: int) -> Stamp:
    time = f"2026-11-26T01:00:{at_s:02d}.000Z"
    return Stamp(id=f"0123456789ab-{number}", run="0123456789ab", sequence=number, time=time, station="line 1")


def label(number: int, at_s: int, name: str | None, picture: str | None = None) -> LabelChanged:
    return LabelChanged(
        **stamp(number, at_s), label=name, previous=None, probability=1.0, scores={}, frame_index=0, latency_ms=1.0,
        picture=picture, adaptation="a", bundle="b",
    )  # fmt: skip


EVENTS: list[AnyEvent] = [
    Started(**stamp(1, 0), camera="c", bundle="b", backend="o", adaptation="a", classes=[], version="0"),
    label(2, 10, "mug"),
    label(3, 20, None, "20261126T010020.000Z_0123456789ab-3.jpg"),
    CameraLost(**stamp(4, 30), camera="c", reason="unplugged"),
    label(5, 50, "mug"),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    lines = [encode_event(event) for event in (*EVENTS, EVENTS[1])]  # one of them twice, as after a kill
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(lines) + b'\n{"torn')
    return tmp_path / "events.jsonl"


def test_the_events_of_the_last_seconds_come_with_the_one_that_held_before(file: Path) -> None:
    assert [event.sequence for event in last_events(file, 25)] == [3, 4, 5]
    assert last_events(file, 1000) == EVENTS


def test_each_label_holds_until_the_next_event_and_none_holds_without_a_camera() -> None:

    held = stretches(EVENTS, 0.0, 1e10)

    assert [stretch.label for stretch in held] == ["mug", "", None, "mug"]
    assert [round(stretch.to_s - stretch.from_s) for stretch in held[:3]] == [10, 10, 20]


def test_a_picture_is_drawn_with_what_was_unknown(file: Path, tmp_path: Path) -> None:
    (tmp_path / "unknowns").mkdir()
    pixels = np.full((60, 80, 3), (10, 200, 250), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "unknowns/20261126T010020.000Z_0123456789ab-3.jpg")

    script, output = SCRIPT.with_name("draw_events.py"), tmp_path / "line.png"
    command = [sys.executable, "-W", "error", script, file, "--unknowns", tmp_path / "unknowns", "-o", output]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    with Image.open(output) as picture:
        drawn = np.asarray(picture.convert("RGB")).astype(int)
    assert (np.abs(drawn - (10, 200, 250)).max(axis=2) < 12).sum() > 10_000


def test_a_file_that_holds_no_events_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").write_bytes(b"")
    with pytest.raises(ValueError, match="holds no events; run the inspector with --events"):
        last_events(tmp_path / "none.jsonl", 10)
    (tmp_path / "other.jsonl").write_bytes(b'{"a": 1}\n')
    with pytest.raises(msgspec.MsgspecError):
        last_events(tmp_path / "other.jsonl", 10)
