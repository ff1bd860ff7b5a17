"""Events as lines: in files that rotate, and for people."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from delivery.database import SpooledEvent
from delivery.line_sinks import FileSink
from delivery.rotating_file import RotatingFile
from delivery.sink import DeliveryError
from line_events.event import (
    AdaptationChanged,
    AdaptationRefused,
    AnyEvent,
    CameraBack,
    CameraLost,
    Heartbeat,
    LabelChanged,
    SinkCounts,
    Started,
    Stopped,
    decode_event,
    encode_event,
)
from line_events.schema import schema_text
from line_events.stamping import Stamper
from line_events.text import event_line

SAMPLE = Path(__file__).resolve().parents[3] / "samples/line_inspector"
STAMPER = Stamper("line 1")
COUNTS = SinkCounts(n_waiting=3, n_delivered=1, n_failed=2, n_rejected=0, n_dropped=7, last_error="away")
EVENTS: list[AnyEvent] = [
    LabelChanged(
        **STAMPER.stamp(), label=None, previous="mug", probability=0.4, scores={"mug": 0.4, "pen": 0.6},
        frame_index=9, latency_ms=12.5, picture="x.jpg", adaptation="desk.adaptation", bundle="small",
    ),
    CameraLost(**STAMPER.stamp(), camera="/dev/video0", reason="unplugged"),
    CameraBack(**STAMPER.stamp(), camera="/dev/video0", away_s=1.5),
    AdaptationChanged(**STAMPER.stamp(), adaptation="desk.adaptation", classes=["mug"]),
    AdaptationRefused(**STAMPER.stamp(), adaptation="desk.adaptation", reason="torn"),
    Started(
        **STAMPER.stamp(), camera="c", bundle="small", backend="onnxruntime", adaptation="a", classes=[], version="0"
    ),
    Stopped(**STAMPER.stamp(), reason="asked to stop"),
    Heartbeat(
        **STAMPER.stamp(), uptime_s=1, label="mug", camera_state="live", camera_fps=9.9, answers_per_s=9.8,
        n_answered=1, n_failed_answers=0, n_label_changes=1, n_camera_losses=0, n_pictures=0, sinks={"mqtt": COUNTS},
    ),
]  # fmt: skip
SAID = [
    "unknown", "unplugged", "after 1.5 s", "mug", "torn", "small on onnxruntime", "asked to stop",
    "mqtt: 3 waiting, 0 rejected, 7 dropped",
]  # fmt: skip


def test_the_committed_schema_is_that_of_the_types() -> None:
    committed = (SAMPLE / "event.schema.json").read_text()
    assert committed == schema_text(), "write it again: inspect_line.py --schema > event.schema.json"
    jsonschema.Draft202012Validator.check_schema(json.loads(committed))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_fits_the_schema_and_comes_back_as_it_was(event: AnyEvent) -> None:
    body = encode_event(event)

    jsonschema.validate(json.loads(body), json.loads(schema_text()))
    assert decode_event(body) == event
    assert b"\n" not in body


def test_what_is_no_event_does_not_fit_the_schema() -> None:
    whole = json.loads(encode_event(EVENTS[0]))
    for change in ({"type": "other"}, {"schema_version": 2}, {"probability": 1.5}, {"time": "noon"}, {"sequence": 0}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**whole, **change}, json.loads(schema_text()))


@pytest.mark.parametrize(
    ("event", "text"),
    list(zip(EVENTS, SAID, strict=True)),
)
def test_a_line_for_people_says_what_matters(event: AnyEvent, text: str) -> None:
    line = event_line(event)

    assert text in line
    assert line.startswith(event.time[11:23])
    assert "\n" not in line


def test_events_of_a_run_are_numbered_and_two_runs_differ() -> None:
    first, second = Stamper("a"), Stamper("a")
    stamps = [first.stamp(), first.stamp(), second.stamp()]

    assert [stamp["sequence"] for stamp in stamps] == [1, 2, 1]
    assert len({stamp["id"] for stamp in stamps}) == 3


def test_a_file_is_renamed_at_its_bound_and_a_few_are_kept(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "log/events.jsonl", max_bytes=1000)
    for number in range(100):
        sink.deliver([SpooledEvent(number, "id", b"%03d" % number + b"x" * 96)])

    files = sorted((tmp_path / "log").iterdir())
    assert [file.name for file in files] == ["events.jsonl", *(f"events.jsonl.{number}" for number in range(1, 5))]
    assert all(file.stat().st_size <= 1000 for file in files)
    kept = [int(line[:3]) for file in (*reversed(files[1:]), files[0]) for line in file.read_text().splitlines()]
    assert kept == list(range(50, 100))


def test_a_line_that_a_kill_tore_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"whole": 1}\n{"to')

    RotatingFile(path, max_bytes=1000, n_kept=1).append([b'{"new": 1}'])

    assert path.read_bytes() == b'{"whole": 1}\n{"new": 1}\n'


def test_a_file_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").mkdir()

    with pytest.raises(DeliveryError, match="cannot be written"):
        FileSink(tmp_path / "events.jsonl", max_bytes=1000).deliver([SpooledEvent(1, "id", b"{}")])


def test_a_disk_that_takes_half_of_a_line_is_left_with_none_of_it(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
from delivery.rotating_file import RotatingFile
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
file = RotatingFile(Path(sys.argv[1]), max_bytes=10**6, n_kept=1)
file.append([b"x" * 599])
try:
    file.append([b"y" * 599])
except OSError as error:
    print(error)
"""

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(tmp_path / "lines")],
        capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(SAMPLE)},
    )  # fmt: skip

    assert "took a part of the lines; is the disk full?" in done.stdout, done.stderr
    assert (tmp_path / "lines").read_bytes() == b"x" * 599 + b"\n"


def test_the_event_in_the_readme_fits_the_schema() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", (SAMPLE / "README.md").read_text(), re.DOTALL)

    jsonschema.validate(json.loads(shown), json.loads(schema_text()))
    assert event_line(decode_event(shown.encode())).endswith("picture 20261126T014812.889Z_74faed0a6d86-8.jpg")
