"""A studio that other machines can reach: token, cookie, and guesses."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from running_studio import RunningStudio
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

StartStudio = Callable[..., RunningStudio]
RunStudio = Callable[..., tuple[int, str]]
TOKEN = "correct-horse-battery-staple"


@pytest.fixture
def guarded(start_studio: StartStudio) -> RunningStudio:
    return start_studio("--host", "0.0.0.0", HYPERFLOW_STUDIO_TOKEN=TOKEN)


def test_a_token_is_made_and_printed_once_where_others_can_reach_the_studio(start_studio: StartStudio) -> None:
    studio = start_studio("--host", "0.0.0.0")

    assert studio.token is not None
    assert len(studio.token) >= 32
    assert sum(studio.token in line for line in studio.lines) == 1
    with studio.client() as client:
        assert client.get("/api/state").status_code == 200


def test_without_the_token_nothing_is_told_but_where_it_is_printed(guarded: RunningStudio) -> None:
    with guarded.client(with_token=False) as client:
        page = client.get("/")
        api = client.get("/api/state")
        change = client.post("/api/classes", json={"name": "x"})
        style = client.get("/static/style/base.css")

    assert page.status_code == 401
    assert "printed in the terminal" in page.text
    assert '<input class="field" id="token" name="token"' in page.text
    assert (api.status_code, change.status_code, style.status_code) == (401, 401, 200)
    assert "the address that the studio printed" in api.json()["detail"]
    for path in ("/api", "/openapi.json", "/api/map", "/api/adaptations", "/api/shots/0/image", "/nowhere"):
        assert client_get(guarded, path).status_code == 401


def client_get(studio: RunningStudio, path: str) -> httpx.Response:
    with studio.client(with_token=False) as client:
        return client.get(path)


def test_the_printed_address_leaves_a_cookie_that_scripts_and_other_sites_cannot_use(guarded: RunningStudio) -> None:
    with httpx.Client(base_url=guarded.url) as browser:
        opened = browser.get("/", params={"token": TOKEN})
        cookie = opened.headers["Set-Cookie"]
        page = browser.get("/")
        state = browser.get("/api/state")

    assert opened.status_code == 303
    assert opened.headers["Location"] == "/"
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert (page.status_code, state.status_code) == (200, 200)
    assert page.headers["Referrer-Policy"] == "no-referrer"


def test_a_wrong_token_leads_to_the_page_that_asks_for_it(guarded: RunningStudio) -> None:
    with httpx.Client(base_url=guarded.url) as browser:
        page = browser.get("/", params={"token": "wrong"})

    assert page.status_code == 401
    assert "That token is wrong" in page.text
    assert "Set-Cookie" not in page.headers


def test_an_address_that_guesses_is_stopped_even_when_it_guesses_right(guarded: RunningStudio) -> None:
    with httpx.Client(base_url=guarded.url) as client:
        statuses = [
            client.get("/api/state", headers={"Authorization": f"Bearer {guess}"}).status_code for guess in range(12)
        ]
        right = client.get("/api/state", headers={"Authorization": f"Bearer {TOKEN}"})

    assert statuses == [401] * 10 + [429] * 2
    assert right.status_code == 429
    assert int(right.headers["Retry-After"]) > 0


def test_a_window_with_an_old_token_may_ask_again_and_again(guarded: RunningStudio) -> None:
    with httpx.Client(base_url=guarded.url) as client:
        statuses = [client.get("/api/state", headers={"Cookie": "studio_token=old"}).status_code for _ in range(30)]
        right = client.get("/api/state", headers={"Authorization": f"Bearer {TOKEN}"})

    assert set(statuses) == {401}
    assert right.status_code == 200


@pytest.mark.parametrize("headers", [{"Cookie": f"studio_token={TOKEN}"}, {"Authorization": f"Bearer {TOKEN}"}])
def test_the_socket_opens_with_the_token_alone(guarded: RunningStudio, headers: dict[str, str]) -> None:
    url = guarded.url.replace("http", "ws") + "/api/live"
    with pytest.raises(InvalidStatus) as refused:
        connect(url)
    assert refused.value.response.status_code == 401

    with connect(url, additional_headers=headers) as socket:
        assert '"type":"state"' in str(socket.recv(30))


@pytest.mark.parametrize("token", ["short", "fifteen-letters", "x" * 15, "caf\u00e9" * 10])
def test_a_short_token_is_refused(run_studio: RunStudio, token: str) -> None:
    status, output = run_studio("--token", token)

    assert status == 1
    assert "the token must have 16 or more ASCII characters" in output
    assert token not in output


@pytest.mark.parametrize("token", ["+a/b=c&d#e%41f?g h;i", "x" * 64])
def test_the_printed_address_opens_the_studio_whatever_the_token_is_made_of(
    start_studio: StartStudio, token: str
) -> None:
    studio = start_studio("--host", "0.0.0.0", HYPERFLOW_STUDIO_TOKEN=token)
    (line,) = (line for line in studio.lines if line.startswith("Open "))
    query = line.partition("?")[2]

    with httpx.Client(base_url=studio.url) as browser:
        opened = browser.get(f"/?{query}")
        state = browser.get("/api/state")

    assert (opened.status_code, state.status_code) == (303, 200)
