"""Saved adaptations: kept, listed, loaded, exchanged, and never overwritten by accident."""

from __future__ import annotations

import io
import resource
import zipfile
from typing import Any

import httpx
import numpy as np
import pytest
from running_studio import RunningStudio
from studio_pictures import picture

from hyperflow_runtime import open_bundle


@pytest.fixture
def taught(client: httpx.Client) -> httpx.Client:
    for colour in ("red", "blue"):
        class_id = client.post("/api/classes", json={"name": colour}).json()["id"]
        for seed in range(2):
            client.post(f"/api/classes/{class_id}/shots", content=picture(colour, seed)).raise_for_status()
    return client


def save(client: httpx.Client, name: str = "desk", *, overwrite: bool = False) -> httpx.Response:
    return client.post("/api/adaptations", json={"name": name, "overwrite": overwrite})


def names(client: httpx.Client) -> list[str]:
    return [saved["name"] for saved in client.get("/api/adaptations").json()]


def state(client: httpx.Client) -> dict[str, Any]:
    return dict(client.get("/api/state").json())


def test_saving_waits_for_the_adaptation_and_the_file_opens_in_the_runtime(
    taught: httpx.Client, studio: RunningStudio, tiny_bundle: Any
) -> None:
    answer = save(taught)

    assert answer.status_code == 201
    assert answer.json()["classes"] == ["red", "blue"]
    assert answer.json()["problem"] is None
    assert state(taught)["adaptation_name"] == "desk"
    with open_bundle(tiny_bundle) as model:
        assert model.session(studio.data / "desk.adaptation").labels == ("red", "blue")


def test_an_older_file_is_replaced_when_asked_alone(taught: httpx.Client) -> None:
    save(taught)

    assert save(taught).status_code == 409
    assert save(taught, overwrite=True).status_code == 201
    assert names(taught) == ["desk"]


def test_nothing_can_be_saved_before_two_classes_were_taught(client: httpx.Client) -> None:
    assert save(client).status_code == 409
    assert names(client) == []


def test_loading_brings_back_the_classes_and_undo_takes_that_back(taught: httpx.Client) -> None:
    save(taught)
    taught.post("/api/clear").raise_for_status()
    taught.post("/api/classes", json={"name": "other"}).raise_for_status()

    loaded = taught.post("/api/adaptations/desk/load").json()
    undone = taught.post("/api/undo").json()

    assert [known["name"] for known in loaded["classes"]] == ["red", "blue"]
    assert loaded["adaptation"]["status"] == "ready"
    assert loaded["adaptation_name"] == "desk"
    assert [known["name"] for known in undone["classes"]] == ["other"]
    assert undone["adaptation_name"] is None


def test_both_maps_are_there_after_loading(taught: httpx.Client) -> None:
    save(taught)
    saved = taught.get("/api/map").json()
    taught.post("/api/clear").raise_for_status()

    taught.post("/api/adaptations/desk/load").raise_for_status()
    loaded = taught.get("/api/map").json()

    for when in ("before", "after"):
        assert len(loaded[when]["points"]) == 4
        places = [np.array([[point["x"], point["y"]] for point in map_[when]["points"]]) for map_ in (saved, loaded)]
        np.testing.assert_allclose(*(np.abs(place) for place in places), atol=1e-3)  # an axis has no sign


def test_a_loaded_shot_has_a_number_of_its_own_so_that_no_old_picture_is_shown_for_it(taught: httpx.Client) -> None:
    save(taught)
    before = {shot["id"] for known in state(taught)["classes"] for shot in known["shots"]}

    loaded = taught.post("/api/adaptations/desk/load").json()

    after = {shot["id"] for known in loaded["classes"] for shot in known["shots"]}
    assert len(after) == 4
    assert not before & after


def test_a_download_can_be_uploaded_under_another_name_and_loaded(taught: httpx.Client) -> None:
    save(taught)
    file = taught.get("/api/adaptations/desk/file")

    put = taught.put("/api/adaptations/copy/file", content=file.content)

    assert 'filename="desk.adaptation"' in file.headers["Content-Disposition"]
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert put.status_code == 201
    assert put.json()["classes"] == ["red", "blue"]
    assert taught.post("/api/adaptations/copy/load").status_code == 200


def test_an_upload_does_not_replace_a_file_unless_asked(taught: httpx.Client) -> None:
    save(taught)
    data = taught.get("/api/adaptations/desk/file").content

    assert taught.put("/api/adaptations/desk/file", content=data).status_code == 409
    assert taught.put("/api/adaptations/desk/file", content=data, params={"overwrite": "true"}).status_code == 201


def torn(data: bytes) -> bytes:
    return data[: len(data) // 2]


def bomb(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("theta.npy", bytes(64 * 2**20))
    return buffer.getvalue()


def pickled(data: bytes) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, meta=np.array([{"a": 1}], dtype=object))
    return buffer.getvalue()


def emptied(data: bytes) -> bytes:
    return b""


def backwards(data: bytes) -> bytes:
    return data[::-1]


@pytest.mark.parametrize("spoil", [torn, bomb, pickled, emptied, backwards])
def test_a_spoiled_upload_is_refused_and_leaves_nothing_behind(
    taught: httpx.Client, studio: RunningStudio, spoil: Any
) -> None:
    save(taught)
    data = taught.get("/api/adaptations/desk/file").content

    answer = taught.put("/api/adaptations/new/file", content=spoil(data))

    assert answer.status_code == 422, answer.text
    assert "/" not in answer.json()["detail"].replace("and/or", "")
    assert [path.name for path in studio.data.iterdir()] == ["desk.adaptation"]


def test_an_upload_larger_than_any_adaptation_of_the_bundle_is_refused(client: httpx.Client) -> None:
    assert client.put("/api/adaptations/new/file", content=bytes(4 * 2**20)).status_code == 413


def test_a_file_of_another_bundle_is_listed_with_the_reason_and_not_loaded(
    client: httpx.Client, studio: RunningStudio
) -> None:
    (studio.data / "foreign.adaptation").write_bytes(b"not one of ours")
    (studio.data / ".hidden.adaptation").write_bytes(b"")
    (studio.data / "link.adaptation").symlink_to("/etc/passwd")
    try:
        listed = client.get("/api/adaptations").json()
        loaded = client.post("/api/adaptations/foreign/load")
        linked = client.get("/api/adaptations/link/file")
    finally:
        for name in (".hidden", "link"):
            (studio.data / f"{name}.adaptation").unlink()

    assert [(saved["name"], saved["classes"]) for saved in listed] == [("foreign", [])]
    assert "not a whole adaptation file" in listed[0]["problem"]
    assert loaded.status_code == 422
    assert linked.status_code == 422
    assert b"root" not in linked.content


def test_a_deleted_adaptation_is_gone_and_the_second_window_is_told(taught: httpx.Client) -> None:
    save(taught)

    answers = [taught.delete("/api/adaptations/desk") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 404]
    assert "deleted in another window" in answers[1].json()["detail"]
    assert names(taught) == []
    assert state(taught)["adaptation_name"] is None


def test_a_full_disk_is_said_and_the_old_file_stays(taught: httpx.Client, studio: RunningStudio) -> None:
    save(taught)
    whole = (studio.data / "desk.adaptation").read_bytes()
    _, hard = resource.prlimit(studio.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(studio.process.pid, resource.RLIMIT_FSIZE, (1000, hard))  # no file may be larger
    try:
        again = save(taught, overwrite=True)
        sent = taught.put("/api/adaptations/other/file", content=whole)
    finally:
        resource.prlimit(studio.process.pid, resource.RLIMIT_FSIZE, (hard, hard))

    assert (again.status_code, sent.status_code) == (507, 507)
    assert "cannot be written (File too large)" in sent.json()["detail"]
    assert (studio.data / "desk.adaptation").read_bytes() == whole
    assert [file.name for file in studio.data.iterdir()] == ["desk.adaptation"]
