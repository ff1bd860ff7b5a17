"""The WebSocket: state, pictures with their answers, one a request, and clients that do not behave."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from PIL import Image
from running_studio import DEADLINE_S, RunningStudio
from studio_pictures import picture
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

ASK = json.dumps({"type": "ready"})


def opened(studio: RunningStudio, **options: Any) -> ClientConnection:
    url = studio.url.replace("http", "ws") + "/api/live"
    return connect(url, **{"origin": studio.url, "open_timeout": DEADLINE_S, **options})


def next_of(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next text message of a kind."""
    while True:
        received = socket.recv(DEADLINE_S)
        if isinstance(received, str) and (message := json.loads(received))["type"] == kind:
            return dict(message)


def next_picture(socket: ClientConnection) -> tuple[dict[str, Any], bytes]:
    socket.send(ASK)
    live, jpeg = next_of(socket, "live"), socket.recv(DEADLINE_S)
    assert isinstance(jpeg, bytes)
    return live, jpeg


def next_jpeg(socket: ClientConnection, timeout_s: float) -> bytes:
    """Return the next binary message."""
    while True:
        received = socket.recv(timeout_s)
        if isinstance(received, bytes):
            return received


@pytest.fixture
def socket(studio: RunningStudio) -> Iterator[ClientConnection]:
    with opened(studio) as connection:
        yield connection


def teach(client: httpx.Client, *colours: str) -> dict[str, str]:
    ids = {}
    for colour in colours:
        ids[colour] = str(client.post("/api/classes", json={"name": colour}).json()["id"])
        for seed in range(2):
            client.post(f"/api/classes/{ids[colour]}/shots", content=picture(colour, seed)).raise_for_status()
    return ids


def test_the_state_comes_first_and_after_every_change(client: httpx.Client, socket: ClientConnection) -> None:
    first = next_of(socket, "state")["state"]

    client.post("/api/classes", json={"name": "mug"}).raise_for_status()

    second = next_of(socket, "state")["state"]
    assert first["classes"] == []
    assert [known["name"] for known in second["classes"]] == ["mug"]
    assert second["version"] > first["version"]


def test_pictures_come_before_anything_was_learned(socket: ClientConnection) -> None:
    live, jpeg = next_picture(socket)

    with Image.open(io.BytesIO(jpeg)) as image:
        assert image.size == (640, 480)
    assert not live["ready"]
    assert live["scores"] == {}
    assert live["label"] is None
    assert not live["unknown"]
    assert live["map"] is None
    assert live["direct"] is None


def test_answers_follow_teaching_with_scores_by_class_id(client: httpx.Client, socket: ClientConnection) -> None:
    ids = teach(client, "red", "blue")

    live = next_picture(socket)[0]
    while not live["ready"]:
        live = next_picture(socket)[0]

    assert set(live["scores"]) == set(ids.values())
    assert sum(live["scores"].values()) == pytest.approx(1, abs=1e-3)
    assert live["unknown"] == (live["class_id"] is None)
    assert live["latency_ms"] > 0
    assert {"encode", "total"} <= set(live["timings_ms"])


def test_a_window_gets_one_picture_for_each_time_it_asks_and_each_is_newer(socket: ClientConnection) -> None:
    indices = [next_picture(socket)[0]["index"] for _ in range(5)]
    assert indices == sorted(set(indices))

    with pytest.raises(TimeoutError):
        next_jpeg(socket, timeout_s=0.5)


def test_a_window_that_compares_gets_direct_answers_and_places_on_the_map(
    client: httpx.Client, studio: RunningStudio
) -> None:
    ids = teach(client, "red", "blue")
    client.get("/api/map").raise_for_status()
    with opened(studio) as comparing, opened(studio) as plain:
        comparing.send(json.dumps({"type": "view", "compare": True, "map": True}))
        live = next_picture(comparing)[0]
        while not (live["direct"] and live["map"] and live["map"]["before"]):
            live = next_picture(comparing)[0]
        other = next_picture(plain)[0]

    assert set(live["direct"]["scores"]) == set(ids.values())
    assert all(-1 <= value <= 1 for value in live["map"]["before"])
    assert other["direct"] is None
    assert other["map"] is None


def test_the_truth_of_a_rendered_scene_is_told(client: httpx.Client, socket: ClientConnection) -> None:
    thing = client.get("/api/stage").json()["things"][2]
    client.post("/api/stage", json={"shown": thing}).raise_for_status()

    live = next_picture(socket)[0]
    while live["truth"] != thing:
        live = next_picture(socket)[0]


def test_saving_is_told_to_other_windows(client: httpx.Client, socket: ClientConnection) -> None:
    teach(client, "red", "blue")
    client.post("/api/adaptations", json={"name": "told"}).raise_for_status()

    assert next_of(socket, "saved") == {"type": "saved"}


@pytest.mark.parametrize("text", ["", "{", "null", '{"type":"shout"}', '{"type":"view","map":7}', "[" * 3000])
def test_a_message_that_is_not_understood_closes_the_window(studio: RunningStudio, text: str) -> None:
    with opened(studio) as socket:
        socket.send(text)
        with pytest.raises(ConnectionClosed) as closed:
            next_of(socket, "nothing")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


@pytest.mark.parametrize("data", [b"\x00", b"ready"])
def test_a_binary_message_closes_the_window(studio: RunningStudio, data: bytes) -> None:
    with opened(studio) as socket:
        socket.send(data)
        with pytest.raises(ConnectionClosed):
            next_of(socket, "nothing")


def test_a_message_of_a_megabyte_closes_the_window(studio: RunningStudio) -> None:
    with opened(studio) as socket:
        with contextlib.suppress(ConnectionClosed):
            socket.send("x" * 2**20)
        with pytest.raises(ConnectionClosed):
            next_of(socket, "nothing")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_a_foreign_page_gets_no_socket(studio: RunningStudio, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened(studio, origin=origin)
    assert refused.value.response.status_code == 403


def test_a_foreign_name_gets_no_socket(studio: RunningStudio) -> None:
    with pytest.raises(InvalidStatus) as refused:
        opened(studio, origin=None, additional_headers={"Host": "evil.example"})
    assert refused.value.response.status_code in (400, 421)


def test_the_seventeenth_window_is_refused_and_a_closed_one_makes_room(
    start_studio: Callable[..., RunningStudio],
) -> None:
    studio = start_studio()  # one of its own, where no window of another test is still closing
    with contextlib.ExitStack() as stack:
        windows = [stack.enter_context(opened(studio)) for _ in range(16)]
        for window in windows:
            next_of(window, "state")
        with pytest.raises(InvalidStatus) as refused:
            opened(studio)
        assert refused.value.response.status_code == 503
        windows[0].close()
        while True:  # the server may take a moment to notice
            with contextlib.suppress(InvalidStatus), opened(studio) as late:
                next_of(late, "state")
                break


def test_a_window_that_never_reads_holds_up_nobody(client: httpx.Client, studio: RunningStudio) -> None:
    with opened(studio, max_queue=1, close_timeout=1) as slow, opened(studio) as quick:
        for _ in range(50):
            slow.send(ASK)
        for number in range(60):
            client.post("/api/classes", json={"name": f"n{number % 6}"})
            client.post("/api/clear").raise_for_status()
        before = next_picture(quick)[0]["index"]
        assert next_picture(quick)[0]["index"] > before
