"""Teaching things by hand: the way of a first-time user, and what can be taken back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route, expect
from studio_page import PATIENCE_MS, StudioPage

pytestmark = pytest.mark.browser


def test_a_first_time_user_sees_what_to_do(window: StudioPage) -> None:
    steps = window.page.locator("#steps li")

    expect(steps).to_have_text(["Name a thing", "Show it to the camera", "Hold the button"])
    expect(window.record_button("Thing 1")).to_be_visible()
    expect(window.record_button("Thing 2")).to_be_visible()
    expect(window.page.locator("#answers")).to_be_hidden()
    assert window.state()["classes"] == []


def test_three_things_are_taught_by_holding_the_button_and_each_is_named(window: StudioPage) -> None:
    for thing in ("mug", "key", "leaf"):
        window.teach(thing)
    window.wait_until_adapted()

    for thing in ("leaf", "mug", "key"):
        window.show(thing)
        window.expect_answer(thing)
        expect(window.card(thing)).to_have_class(re.compile("is-seen"))
        expect(window.page.locator(".bar.is-answer .bar__name")).to_have_text(thing)

    expect(window.page.locator("#announcer")).to_have_text("Sees key", timeout=PATIENCE_MS)
    expect(window.page.locator("#score")).to_have_text(re.compile(r"right \d+ % of \d+ frames"))


def test_a_thing_that_was_never_shown_is_unknown(window: StudioPage) -> None:
    for thing in ("mug", "leaf", "scissors"):
        window.teach(thing)
    window.wait_until_adapted()

    window.show("nut")

    window.expect_answer("unknown")
    expect(window.answer).to_have_class(re.compile("is-unknown"))
    expect(window.answer.locator(".answer__guess")).to_have_text(re.compile("most like (mug|leaf|scissors)"))


def test_one_thing_alone_asks_for_a_second(window: StudioPage) -> None:
    window.teach("mug", n_shots=3)

    expect(window.page.locator("#hints")).to_contain_text("Add a second thing, or the empty background")
    expect(window.page.locator("#steps")).to_be_hidden()
    expect(window.record_button("Thing 1").or_(window.record_button("Thing 2"))).to_have_count(1)


def test_a_short_press_takes_one_shot(window: StudioPage) -> None:
    window.record_button("Thing 1").click()

    expect(window.card("Thing 1").locator(".shot")).to_have_count(1)
    expect(window.card("Thing 1").locator(".card__count")).to_have_text("1 shot")


def test_letting_go_outside_the_button_ends_the_recording(window: StudioPage) -> None:
    button = window.record_button("Thing 1")
    button.hover()
    window.page.mouse.down()
    expect(button).to_have_text("Release to stop")
    window.page.mouse.move(20, 700)
    window.page.mouse.up()

    expect(button).to_have_text("Hold to record")
    expect(window.page.locator("#recording")).to_be_hidden()


def test_a_shot_is_deleted_and_comes_back_by_undo(window: StudioPage) -> None:
    window.teach("mug", n_shots=3)
    shots = window.card("mug").locator(".shot")
    n_shots = shots.count()

    shots.first.click()
    expect(shots).to_have_count(n_shots - 1)
    window.toast("Deleted a shot of “mug”").get_by_role("button", name="Undo").click()

    expect(shots).to_have_count(n_shots)
    expect(window.toast("Deleted a shot")).to_have_count(0)


def test_a_thing_is_deleted_without_a_question_and_comes_back_by_undo(window: StudioPage) -> None:
    window.teach("mug", n_shots=3)

    window.page.get_by_role("button", name="Delete mug").click()
    expect(window.card("mug")).to_have_count(0)
    window.toast("Deleted “mug”").get_by_role("button", name="Undo").click()

    expect(window.card("mug")).to_have_count(1)
    expect(window.card("mug").locator(".shot").first).to_be_visible()


def test_the_offer_to_undo_goes_when_it_would_undo_something_else(window: StudioPage) -> None:
    window.teach("mug", n_shots=3)
    window.card("mug").locator(".shot").first.click()
    expect(window.toast("Deleted a shot")).to_be_visible()

    window.record_button("mug").click()

    expect(window.toast("Deleted a shot")).to_have_count(0)


def test_a_name_is_kept_by_enter_and_not_by_escape(window: StudioPage) -> None:
    window.teach("mug", n_shots=1)
    window.rename("mug", "red mug")

    window.page.get_by_role("button", name="red mug: rename").click()
    window.page.keyboard.type("nonsense")
    window.page.keyboard.press("Escape")

    expect(window.card("red mug")).to_be_visible()
    assert [thing["name"] for thing in window.state()["classes"]] == ["red mug"]


def test_a_name_that_is_taken_is_refused_and_can_be_corrected(window: StudioPage) -> None:
    window.teach("mug", n_shots=1)
    window.teach("key", n_shots=1)
    window.page.get_by_role("button", name="key: rename").click()
    field = window.page.get_by_label("New name of key")
    field.fill("mug")
    field.press("Enter")

    expect(window.page.get_by_role("alert").filter(has_text="mug")).to_be_visible()
    expect(field).to_be_focused()
    field.fill("brass key")
    field.press("Enter")
    expect(window.card("brass key")).to_be_visible()


def test_starting_over_asks_first_and_can_be_undone(window: StudioPage) -> None:
    window.teach("mug", n_shots=2)
    start_over = window.page.get_by_role("button", name="Start over")

    start_over.click()
    window.page.get_by_role("button", name="Cancel").click()
    expect(window.card("mug")).to_be_visible()
    start_over.click()
    window.page.get_by_role("dialog").get_by_role("button", name="Start over").click()
    expect(window.card("mug")).to_have_count(0)

    window.page.get_by_role("button", name="Undo", exact=True).click()
    expect(window.card("mug")).to_be_visible()


def test_a_name_that_looks_like_html_stays_text(window: StudioPage) -> None:
    name = "<img src=x onerror=alert(1)>"
    window.teach("mug", n_shots=2)
    window.rename("mug", name)
    window.teach("key", n_shots=2)
    window.wait_until_adapted()

    expect(window.card(name)).to_be_visible()
    window.page.get_by_role("button", name=f"Delete {name}").click()
    expect(window.toast(name)).to_be_visible()

    assert window.page.locator("img[onerror]").count() == 0


@pytest.mark.parametrize("by", ["pointer", "keyboard"])
def test_the_second_card_may_be_held_first_and_stays_where_it_is(window: StudioPage, by: str) -> None:
    button = window.record_button("Thing 2")
    if by == "pointer":
        window.hold("Thing 2", n_shots=4)
    else:
        button.focus()
        window.page.keyboard.down("Space")
        window.card("Thing 2").locator(".shot").nth(3).wait_for(state="attached")
        window.page.keyboard.up("Space")

    expect(button).to_be_focused()
    expect(window.cards.locator(".card__name-text")).to_have_text(["Thing 2", "Thing 1"])


def test_a_button_that_was_let_go_says_so_though_the_device_is_slow(window: StudioPage) -> None:
    waiting: list[Route] = []
    window.page.route("**/capture", lambda route: waiting.append(route))
    button = window.record_button("Thing 1")
    button.hover()
    window.page.mouse.down()
    for _ in range(100):
        window.page.wait_for_timeout(50)
        if len(waiting) >= 4:
            break
    expect(button).to_have_text("Release to stop")

    window.page.mouse.up()

    expect(button).to_have_text("Hold to record")
    assert len(waiting) == 4
    for route in waiting:
        route.continue_()
    expect(window.card("Thing 1").locator(".shot")).to_have_count(4)
