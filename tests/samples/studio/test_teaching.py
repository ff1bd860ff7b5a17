"""Classes, shots, adapting and undo, as one window and as two see them."""

from __future__ import annotations

import io
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from running_studio import DEADLINE_S, RunningStudio
from studio_pictures import COLOURS_RGB, picture

GONE = "already deleted, perhaps in another window"


def new_class(client: httpx.Client, name: str) -> str:
    answer = client.post("/api/classes", json={"name": name})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def upload(client: httpx.Client, class_id: str, data: bytes) -> int:
    answer = client.post(f"/api/classes/{class_id}/shots", content=data)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["shot_id"])


def settled(client: httpx.Client) -> dict[str, Any]:
    """Wait until nothing is being adapted any more, and return the state."""
    deadline_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline_s:
        state: dict[str, Any] = client.get("/api/state").json()
        if state["adaptation"]["status"] != "adapting" and not state["waiting_shots"]:
            return state
        time.sleep(0.02)
    raise AssertionError("still adapting")


def names(state: dict[str, Any]) -> list[tuple[str, int]]:
    return [(known["name"], len(known["shots"])) for known in state["classes"]]


@pytest.fixture
def taught(client: httpx.Client) -> dict[str, Any]:
    """The state after three colours were taught by three pictures each."""
    for name in COLOURS_RGB:
        class_id = new_class(client, name)
        for seed in range(3):
            upload(client, class_id, picture(name, seed))
    return settled(client)


def test_a_fresh_studio_has_no_classes_and_says_what_it_can_take(client: httpx.Client) -> None:
    state = client.get("/api/state").json()

    assert state["classes"] == []
    assert state["adaptation"]["status"] == "none"
    assert state["limits"] == {"max_ways": 6, "max_support": 24, "upload_bytes": 2**24, "upload_pixels": 40_000_000}
    assert state["model"]["name"] == "tiny"
    assert state["camera"]["is_rendered"]


def test_teaching_adapts_by_itself_and_tells_what_that_brought(taught: dict[str, Any]) -> None:
    adaptation = taught["adaptation"]

    assert names(taught) == [("red", 3), ("green", 3), ("blue", 3)]
    assert [known["colour_index"] for known in taught["classes"]] == [0, 1, 2]
    assert adaptation["status"] == "ready"
    assert adaptation["adapt_ms"] > 0
    assert 0 <= adaptation["accuracy_before"] <= 1
    assert 0 <= adaptation["accuracy_after"] <= 1


def test_a_class_stays_without_shots_and_its_colour_goes_to_the_next_one_when_it_is_deleted(
    client: httpx.Client,
) -> None:
    first, second = new_class(client, "a"), new_class(client, "b")
    shot = upload(client, first, picture("red"))

    assert client.delete(f"/api/shots/{shot}").status_code == 204
    assert names(client.get("/api/state").json()) == [("a", 0), ("b", 0)]

    assert client.delete(f"/api/classes/{first}").status_code == 204
    assert client.post("/api/classes", json={"name": "c"}).json()["colour_index"] == 0
    assert client.get("/api/state").json()["classes"][0]["id"] == second


def test_names_are_tidied_and_two_classes_never_share_one(client: httpx.Client) -> None:
    first = new_class(client, "  cafe\u0301 ")
    second = new_class(client, "tea")

    assert client.get("/api/state").json()["classes"][0]["name"] == "caf\u00e9"
    assert client.post("/api/classes", json={"name": "caf\u00e9"}).status_code == 409
    assert client.patch(f"/api/classes/{second}", json={"name": "caf\u00e9"}).status_code == 409
    assert client.patch(f"/api/classes/{first}", json={"name": "caf\u00e9"}).status_code == 200


def test_renaming_keeps_the_id_the_shots_and_the_adaptation(client: httpx.Client, taught: dict[str, Any]) -> None:
    red = taught["classes"][0]

    answer = client.patch(f"/api/classes/{red['id']}", json={"name": "ruby"})

    assert answer.json() == {**red, "name": "ruby"}
    assert client.get("/api/state").json()["adaptation"]["status"] == "ready"


def test_two_windows_delete_the_same_class_and_the_second_is_told(studio: RunningStudio, client: httpx.Client) -> None:
    class_id = new_class(client, "mug")
    with studio.client() as other:
        answers = [window.delete(f"/api/classes/{class_id}") for window in (client, other)]
        shots = other.post(f"/api/classes/{class_id}/shots", content=picture("red"))
        renamed = other.patch(f"/api/classes/{class_id}", json={"name": "x"})

    assert [answer.status_code for answer in answers] == [204, 404]
    assert all(GONE in answer.json()["detail"] for answer in (answers[1], shots, renamed))


def test_many_windows_delete_the_same_shot_and_one_succeeds(studio: RunningStudio, client: httpx.Client) -> None:
    shot = upload(client, new_class(client, "mug"), picture("red"))

    def delete(_: int) -> int:
        with studio.client() as window:
            return window.delete(f"/api/shots/{shot}").status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(delete, range(8)))

    assert statuses == [204] + [404] * 7
    assert client.post("/api/undo").json()["classes"][0]["shots"] == [{"id": shot}]


def test_undo_takes_back_every_kind_of_change_in_turn(client: httpx.Client) -> None:
    seen = [names(client.get("/api/state").json())]

    def do(answer: httpx.Response) -> None:
        assert answer.is_success, answer.text
        seen.append(names(client.get("/api/state").json()))

    do(client.post("/api/classes", json={"name": "a"}))
    do(client.post("/api/classes", json={"name": "b"}))
    first, second = (known["id"] for known in client.get("/api/state").json()["classes"])
    do(client.post(f"/api/classes/{first}/shots", content=picture("red")))
    do(client.post(f"/api/classes/{second}/shots", content=picture("blue")))
    do(client.post(f"/api/classes/{second}/shots", content=picture("blue", 1)))
    do(client.patch(f"/api/classes/{first}", json={"name": "crimson"}))
    shot = client.get("/api/state").json()["classes"][1]["shots"][0]["id"]
    do(client.delete(f"/api/shots/{shot}"))
    do(client.delete(f"/api/classes/{second}"))
    do(client.post("/api/clear"))

    for before in reversed(seen[:-1]):
        assert names(client.post("/api/undo").json()) == before


def test_undo_gives_back_the_same_ids_and_an_adaptation_at_once(client: httpx.Client, taught: dict[str, Any]) -> None:
    client.post("/api/clear").raise_for_status()

    state = client.post("/api/undo").json()

    assert state["classes"] == taught["classes"]
    assert state["adaptation"]["status"] == "ready"


def test_undo_with_nothing_to_undo_is_refused(client: httpx.Client) -> None:
    for _ in range(300):
        answer = client.post("/api/undo")
        if answer.status_code != 200:
            break

    assert answer.status_code == 409
    assert answer.json()["detail"] == "There is nothing to undo."
    assert not client.get("/api/state").json()["can_undo"]


def test_deleting_down_to_one_class_leaves_an_adaptation_that_is_stale(
    client: httpx.Client, taught: dict[str, Any]
) -> None:
    for known in taught["classes"][1:]:
        client.delete(f"/api/classes/{known['id']}").raise_for_status()

    assert settled(client)["adaptation"]["status"] == "stale"


def test_capture_takes_the_newest_frame_and_the_shot_can_be_seen(client: httpx.Client) -> None:
    class_id = new_class(client, "mug")
    deadline_s = time.monotonic() + DEADLINE_S
    while client.get("/api/state").json()["camera"]["state"] != "live":
        assert time.monotonic() < deadline_s
        time.sleep(0.05)

    answer = client.post(f"/api/classes/{class_id}/capture")
    image = client.get(f"/api/shots/{answer.json()['shot_id']}/image")

    assert answer.status_code == 201
    assert image.headers["Content-Type"] == "image/png"
    assert image.headers["Cache-Control"] == "no-store"  # after a new start, numbers are given to other shots
    with Image.open(io.BytesIO(image.content)) as shot:
        assert shot.size == (32, 32)
        assert np.asarray(shot).std() > 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_every_promised_kind_of_image_is_taken_in_its_colours(client: httpx.Client, kind: str) -> None:
    shot = upload(client, new_class(client, "red"), picture("red", kind=kind))

    with Image.open(io.BytesIO(client.get(f"/api/shots/{shot}/image").content)) as image:
        mean = np.asarray(image).reshape(-1, 3).mean(0)
    assert mean == pytest.approx(COLOURS_RGB["red"], abs=25)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK"])
def test_images_of_every_mode_are_taken(client: httpx.Client, mode: str) -> None:
    buffer = io.BytesIO()
    image = Image.new(mode, (40, 30))
    image.save(buffer, "JPEG" if mode == "CMYK" else "PNG")

    upload(client, new_class(client, "thing"), buffer.getvalue())


def test_a_large_photo_of_a_telephone_is_taken_upright(client: httpx.Client) -> None:
    pixels = np.zeros((3000, 4000, 3), np.uint8)
    pixels[:, :2000] = 255  # white on the left as stored, on top as it is to be seen
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", exif=exif)

    shot = upload(client, new_class(client, "thing"), buffer.getvalue())

    with Image.open(io.BytesIO(client.get(f"/api/shots/{shot}/image").content)) as image:
        grey = np.asarray(image.convert("L"))
    assert grey[:6].mean() > 240
    assert grey[-6:].mean() < 15


def test_uploads_from_many_windows_at_once_all_arrive_or_are_told_to_wait(studio: RunningStudio) -> None:
    with studio.client() as client:
        class_id = new_class(client, "red")

        def send(seed: int) -> httpx.Response:
            with studio.client() as window:
                return window.post(f"/api/classes/{class_id}/shots", content=picture("red", seed))

        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(send, range(24)))
        shots = {shot["id"] for shot in settled(client)["classes"][0]["shots"]}

    assert {answer.status_code for answer in answers} <= {201, 429}
    assert {answer.json()["shot_id"] for answer in answers if answer.status_code == 201} == shots
    assert all("Retry-After" in answer.headers for answer in answers if answer.status_code == 429)


def test_the_map_shows_every_shot_before_and_after(client: httpx.Client, taught: dict[str, Any]) -> None:
    maps = client.get("/api/map").json()
    of_shot = {shot["id"]: known["id"] for known in taught["classes"] for shot in known["shots"]}

    for half in ("before", "after"):
        points = maps[half]["points"]
        assert {point["shot_id"]: point["class_id"] for point in points} == of_shot
        assert all(-1 <= point[axis] <= 1 for point in points for axis in "xy")
        assert 0 < sum(maps[half]["explained"]) <= 1.0001


def test_there_is_no_map_of_nothing(client: httpx.Client) -> None:
    assert client.get("/api/map").json() == {"before": None, "after": None}


def test_the_rendered_scene_shows_what_it_is_told(client: httpx.Client) -> None:
    things = client.get("/api/stage").json()["things"]

    shown = client.post("/api/stage", json={"shown": things[-1]}).json()
    empty = client.post("/api/stage", json={"shown": None}).json()
    in_turn = client.post("/api/stage", json={"in_turn": True}).json()

    assert (shown["shown"], shown["in_turn"]) == (things[-1], False)
    assert (empty["shown"], empty["in_turn"]) == (None, False)
    assert in_turn["in_turn"]


@pytest.mark.parametrize(
    "wish", [{}, {"in_turn": False}, {"shown": "unicorn"}, {"shown": "mug", "in_turn": True}, {"shown": 7}]
)
def test_a_wish_that_the_scene_cannot_show_is_refused(client: httpx.Client, wish: dict[str, object]) -> None:
    assert client.post("/api/stage", json=wish).status_code == 422
