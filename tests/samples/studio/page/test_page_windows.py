"""Several windows at once, and a server, a camera or a token that is not there."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Route, expect
from running_studio import RunningStudio
from studio_page import PATIENCE_MS, StudioPage

pytestmark = pytest.mark.browser

TOKEN = "a-token-for-tests-only"


def test_what_one_window_does_the_other_sees(open_page: Callable[..., StudioPage]) -> None:
    one, other = open_page(), open_page()
    one.teach("mug", n_shots=2)
    expect(other.card("mug").locator(".shot").nth(1)).to_be_attached()

    one.rename("mug", "cup")
    expect(other.card("cup")).to_be_visible()
    one.page.get_by_role("button", name="Delete cup").click()

    expect(other.card("cup")).to_have_count(0)


def test_what_is_being_typed_outlives_the_edits_of_others(open_page: Callable[..., StudioPage]) -> None:
    one, other = open_page(), open_page()
    one.teach("mug", n_shots=1)
    other.page.get_by_role("button", name="mug: rename").click()
    field = other.page.get_by_label("New name of mug")
    field.fill("half a na")

    one.teach("key", n_shots=1)
    expect(other.card("key").locator(".shot")).not_to_have_count(0)

    expect(field).to_be_focused()
    expect(field).to_have_value("half a na")


def test_deleting_what_another_window_deleted_already_is_told(open_page: Callable[..., StudioPage]) -> None:
    one, other = open_page(), open_page()
    one.teach("mug", n_shots=1)
    expect(other.card("mug")).to_be_visible()
    other.page.route("**/api/classes/*", lambda route: _delete_first(one.client, route))

    other.page.get_by_role("button", name="Delete mug").click()

    expect(other.toast("This class was already deleted, perhaps in another window.")).to_be_visible()
    expect(other.card("mug")).to_have_count(0)


def _delete_first(client: httpx.Client, route: Route) -> None:
    """Let somebody else be a moment faster."""
    client.delete(urlsplit(route.request.url).path).raise_for_status()
    route.continue_()


def test_shots_that_the_device_cannot_take_yet_are_taken_a_little_later(window: StudioPage) -> None:
    answers: list[int] = []

    def busy_at_first(route: Route) -> None:
        answers.append(429 if len(answers) < 2 else 201)
        if answers[-1] == 201:
            return route.continue_()
        body = json.dumps({"title": "Too Many Requests", "status": 429, "detail": "wait"})
        route.fulfill(status=429, headers={"Retry-After": "1"}, content_type="application/problem+json", body=body)

    window.page.route("**/capture", busy_at_first)

    window.hold("Thing 1", n_shots=2)

    assert answers[:3] == [429, 429, 201]
    expect(window.page.locator(".toast--bad")).to_have_count(0)


def test_a_server_that_goes_away_and_comes_back_is_told_and_joined_again(
    start_page_studio: Callable[..., RunningStudio], open_page: Callable[..., StudioPage]
) -> None:
    first = start_page_studio()
    window = open_page(first)
    window.teach("mug", n_shots=1)
    first.stop()
    banner = window.page.locator("#banner")
    expect(banner).to_contain_text("The connection to the studio is lost")
    banner.get_by_role("button", name="Try now").click()
    expect(banner).to_be_visible()

    start_page_studio(port=urlsplit(first.url).port)

    expect(banner).to_be_hidden(timeout=PATIENCE_MS)
    expect(window.card("mug")).to_have_count(0)
    expect(window.record_button("Thing 1")).to_be_visible()


@pytest.mark.slow
def test_a_device_that_falls_silent_without_a_goodbye_is_noticed(
    start_page_studio: Callable[..., RunningStudio], open_page: Callable[..., StudioPage]
) -> None:
    studio = start_page_studio()
    window = open_page(studio)
    banner = window.page.locator("#banner")
    expect(window.page.locator("#banner")).to_be_hidden()

    studio.process.send_signal(signal.SIGSTOP)  # its connections stay open, as those of a device without power do
    try:
        expect(banner).to_contain_text("The connection to the studio is lost", timeout=PATIENCE_MS)
    finally:
        studio.process.send_signal(signal.SIGCONT)

    expect(banner).to_be_hidden(timeout=PATIENCE_MS)


def test_a_studio_that_comes_back_with_another_camera_offers_no_scene(
    start_page_studio: Callable[..., RunningStudio], open_page: Callable[..., StudioPage]
) -> None:
    first = start_page_studio()
    window = open_page(first)
    expect(window.page.locator("#stage")).to_be_visible()
    first.stop()

    start_page_studio(camera="/dev/video99", port=urlsplit(first.url).port)

    expect(window.page.locator("#camera-problem")).to_contain_text("/dev/video99", timeout=PATIENCE_MS)
    expect(window.page.locator("#stage")).to_be_hidden()


def test_a_camera_that_is_not_there_is_told_with_the_reason(
    start_page_studio: Callable[..., RunningStudio], open_page: Callable[..., StudioPage]
) -> None:
    window = open_page(start_page_studio(camera="/dev/video99"))
    expect(window.page.locator("#camera-problem")).to_contain_text("/dev/video99")
    expect(window.page.locator("#stage")).to_be_hidden()

    window.record_button("Thing 1").click()

    expect(window.toast("There is no picture to take")).to_be_visible()


def test_the_printed_address_opens_a_studio_with_a_token(
    start_page_studio: Callable[..., RunningStudio], open_page: Callable[..., StudioPage]
) -> None:
    window = open_page(start_page_studio("--token", TOKEN))

    expect(window.record_button("Thing 1")).to_be_visible()
    assert TOKEN not in window.page.url


def test_a_missing_or_wrong_token_leads_to_a_page_that_says_where_to_find_it(
    start_page_studio: Callable[..., RunningStudio], browser: Browser
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(start_page_studio("--token", TOKEN).url)
    expect(page.locator("main")).to_contain_text("printed in the terminal")

    page.get_by_label("Token").fill("a wrong token, sadly")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("alert")).to_contain_text("That token is wrong")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Open").click()

    expect(page.locator("#model")).not_to_have_text("")
    context.close()
