"""The whole inspector, in a process of its own, in front of pictures that play like a line."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from line_inspector_parts import SCRIPT, Broker, Inspector, Receiver, Subscriber, free_port, wait_until, write_line
from PIL import Image

from hyperflow_runtime import open_bundle

Start = Callable[..., Inspector]
PLAY = "?fps=20"
LOOP = "?fps=20&loop=true"


def labels(inspector: Inspector) -> list[str | None]:
    return [event["label"] for event in inspector.of("label")]


def test_each_change_of_the_label_is_an_event_and_the_end_of_the_pictures_is_the_end(
    tmp_path: Path, inspect: Start
) -> None:
    line = write_line(tmp_path, "red", "green", "magenta", "blue")

    inspector = inspect(f"dir://{line}{PLAY}", "--unknowns", tmp_path / "unknowns", "--heartbeat-s", "0.5")

    assert inspector.process.wait(60) == 0, inspector.messages
    assert labels(inspector) == ["red", "green", None, "blue"]
    assert [event["previous"] for event in inspector.of("label")] == [None, "red", "green", None]
    events, schema = inspector.events, json.loads((SCRIPT.parent / "event.schema.json").read_text())
    for event in events:
        jsonschema.validate(event, schema)
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["type"], events[-1]["type"]) == ("started", "stopped")
    assert "is over" in events[-1]["reason"]
    assert events[0]["classes"] == ["red", "green", "blue"]
    assert inspector.of("heartbeat")[-1]["sinks"]["file"]["n_rejected"] == 0
    (unknown,) = (event for event in inspector.of("label") if event["label"] is None)
    with Image.open(tmp_path / "unknowns" / unknown["picture"]) as picture:
        assert picture.size == (64, 48)


def test_a_long_spell_of_unknown_things_gives_a_picture_now_and_then(tmp_path: Path, inspect: Start) -> None:
    line = write_line(tmp_path, "magenta")

    inspector = inspect(
        f"dir://{line}{LOOP}", "--unknowns", tmp_path / "unknowns", "--unknown-every-s", "0.3", "--heartbeat-s", "0.2"
    )

    wait_until(lambda: len(list(tmp_path.glob("unknowns/*.jpg"))) >= 3, "three pictures")
    assert inspector.end() == 0
    assert labels(inspector) == [None]
    (event,) = inspector.of("label")
    assert all(event["id"] in file.name for file in tmp_path.glob("unknowns/*.jpg"))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order_and_delivers_what_waits(
    tmp_path: Path, inspect: Start, receiver: Receiver, how: signal.Signals
) -> None:
    inspector = inspect(f"dir://{write_line(tmp_path, 'red')}{LOOP}", "--webhook", receiver.url)
    inspector.wait_for("label")

    assert inspector.end(how) == 0, inspector.messages

    assert inspector.events[-1]["type"] == "stopped"
    assert [json.loads(body)["id"] for body in receiver.bodies] == [event["id"] for event in inspector.events]


def test_a_receiver_that_hangs_does_not_hold_up_the_end(tmp_path: Path, inspect: Start, receiver: Receiver) -> None:
    released = threading.Event()
    receiver.answer = lambda body: released.wait(60) and 204
    inspector = inspect(f"dir://{write_line(tmp_path, 'red')}{LOOP}", "--webhook", receiver.url)
    inspector.wait_for("label")
    wait_until(lambda: receiver.n_requests, "a request")

    assert inspector.end() == 0
    released.set()


def test_nothing_is_lost_when_it_is_killed_while_the_receiver_fails_now_and_then(
    tmp_path: Path, inspect: Start, receiver: Receiver
) -> None:
    line = write_line(tmp_path, "red", "green", n_each=8)
    receiver.answer = lambda body: 500 if receiver.n_requests % 3 == 0 else 204
    options = ["--webhook", receiver.url, "--spool", tmp_path / "spool", "--heartbeat-s", "0.2"]
    for n_labels in (3, 6):
        inspector = inspect(f"dir://{line}{LOOP}", *options)
        inspector.wait_for("label", n_labels)
        assert inspector.end(signal.SIGKILL) == -signal.SIGKILL
    receiver.answer = lambda body: 204

    inspector = inspect(f"dir://{line}{LOOP}", *options)
    inspector.wait_for("label", 9)
    assert inspector.end() == 0

    written = [event["id"] for event in inspector.events]
    arrived = list(dict.fromkeys(json.loads(body)["id"] for body in receiver.bodies))
    assert arrived == written
    runs = dict.fromkeys(event["run"] for event in inspector.events)
    assert len(runs) == 3
    for run in runs:
        numbers = [event["sequence"] for event in inspector.events if event["run"] == run]
        assert numbers == list(range(1, len(numbers) + 1))


def test_another_adaptation_takes_over_and_a_broken_one_does_not(
    tmp_path: Path, inspect: Start, adaptation: Path, tiny_bundle: Path
) -> None:
    with open_bundle(tiny_bundle, n_threads=1) as model:
        session = model.session(adaptation, bake=False)
        session.rename_class("red", "ripe")
        session.save(tmp_path / "next.adaptation")
    line = write_line(tmp_path, "red")
    in_use = Path(shutil.copy(adaptation, tmp_path / "line.adaptation"))
    inspector = inspect(f"dir://{line}{LOOP}", taught=in_use)
    inspector.wait_for("label")

    in_use.write_bytes(b"torn")
    (refused,) = inspector.wait_for("adaptation_refused")
    (tmp_path / "next.adaptation").replace(in_use)
    (changed,) = inspector.wait_for("adaptation_changed")
    inspector.wait_for("label", 2)
    inspector.process.send_signal(signal.SIGHUP)
    inspector.wait_for("adaptation_changed", 2)
    assert inspector.end() == 0

    assert "not a whole adaptation file" in refused["reason"]
    assert changed["classes"] == ["ripe", "green", "blue"]
    assert labels(inspector)[:2] == ["red", "ripe"]
    assert "the adaptation in force stays" in inspector.messages


def test_a_camera_that_is_not_there_is_waited_for_and_one_that_never_can_be_is_an_error(
    tmp_path: Path, inspect: Start
) -> None:
    waiting = inspect("/dev/video99", "--heartbeat-s", "0.2")
    waiting.wait_for("heartbeat", 2)
    assert waiting.end() == 0

    failing = inspect(f"file://{tmp_path}/none.mp4")
    assert failing.process.wait(60) == 1
    assert failing.of("camera_lost")
    assert "Traceback" not in failing.messages


def test_systemd_is_told_that_it_is_ready_alive_and_stopping(tmp_path: Path, inspect: Start) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        inspector = inspect(f"dir://{write_line(tmp_path, 'red')}{LOOP}", NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert manager.recv(1000) == b"READY=1"
        alive = manager.recv(1000)
        assert alive.startswith(b"WATCHDOG=1\nSTATUS=camera ")
        assert inspector.end() == 0
        manager.settimeout(1)
        while (word := manager.recv(1000)).startswith(b"WATCHDOG=1"):
            pass
        assert word == b"STOPPING=1"


def test_a_reader_that_goes_ends_it(tmp_path: Path, adaptation: Path, tiny_bundle: Path) -> None:
    line = write_line(tmp_path, "red", "green", n_each=5)
    command = [sys.executable, str(SCRIPT), "--camera", f"dir://{line}{LOOP}", "--adaptation", str(adaptation)]
    with subprocess.Popen(
        [*command, "--bundle", str(tiny_bundle), "--json", "--hold-ms", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["type"] == "started"
        process.stdout.close()
        process.wait(30)
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.broker
def test_the_broker_and_the_file_get_the_same_events_over_an_outage(
    tmp_path: Path, inspect: Start, make_broker: Callable[..., Broker], subscribe: Callable[..., Subscriber]
) -> None:
    broker = make_broker()
    listener = subscribe(broker.port)
    inspector = inspect(
        f"dir://{write_line(tmp_path, 'red', 'green', n_each=10)}{LOOP}",
        "--mqtt", f"mqtt://127.0.0.1:{broker.port}/line1/label", "--spool", tmp_path / "spool",
    )  # fmt: skip
    inspector.wait_for("label", 2)
    wait_until(lambda: len(listener.on("line1/label")) >= 3, "the first events at the broker")
    broker.kill()
    inspector.wait_for("label", 5)
    broker.start()
    listener.wait()
    inspector.wait_for("label", 8)

    n_labels = len(inspector.of("label"))
    wait_until(lambda: len({json.loads(body)["id"] for body in listener.on("line1/label")}) > n_labels, "the backlog")
    assert inspector.end() == 0

    wait_until(lambda: b"offline" in listener.on("line1/label/status"), "the farewell")
    heard = list(dict.fromkeys(json.loads(body)["id"] for body in listener.on("line1/label")))
    assert heard == [event["id"] for event in inspector.events]


@pytest.mark.rtsp
def test_a_camera_that_is_unplugged_is_told_and_so_is_its_return(
    inspect: Start, rtsp_server: Callable[[int], subprocess.Popen[str]]
) -> None:
    port = free_port()
    server = rtsp_server(port)
    inspector = inspect(f"rtsp://127.0.0.1:{port}/stream#timeout_s=2")
    inspector.wait_for("label")

    server.kill()
    inspector.wait_for("camera_lost")
    rtsp_server(port)
    (back, *_) = inspector.wait_for("camera_back")
    wait_until(lambda: inspector.events[-1]["type"] == "label", "a label of the camera that is back")
    assert inspector.end() == 0

    assert back["away_s"] > 0
    kinds = [event["type"] for event in inspector.events]
    assert kinds.index("camera_lost") < kinds.index("camera_back") < len(kinds) - 1 - kinds[::-1].index("label")
