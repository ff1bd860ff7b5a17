"""Everything by keyboard."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from studio_page import StudioPage

pytestmark = pytest.mark.browser


def test_two_things_are_taught_without_a_pointer(window: StudioPage) -> None:
    keyboard, stage = window.page.keyboard, window.page.locator("#stage-things")
    for number, thing in ((1, "mug"), (2, "key")):
        chip = stage.get_by_role("button", name=thing, exact=True)
        chip.focus()
        keyboard.press("Enter")
        expect(chip).to_have_class(re.compile("is-shown"))
        window.page.get_by_role("button", name=f"Thing {number}: rename").focus()
        keyboard.press("Enter")
        keyboard.type(thing)
        keyboard.press("Enter")
        window.record_button(thing).focus()
        keyboard.down("Space")
        window.card(thing).locator(".shot").nth(4).wait_for(state="attached")
        keyboard.up("Space")
    window.wait_until_adapted()

    window.expect_answer("key")


def test_a_number_key_records_into_its_thing_while_it_is_held(window: StudioPage) -> None:
    window.page.keyboard.down("2")
    window.card("Thing 2").locator(".shot").nth(2).wait_for(state="attached")
    window.page.keyboard.up("2")

    expect(window.record_button("Thing 2")).to_have_text("Hold to record")
    expect(window.card("Thing 1").locator(".shot")).to_have_count(0)


def test_keys_stay_letters_while_a_name_is_typed(window: StudioPage) -> None:
    window.page.keyboard.press("n")
    window.page.keyboard.type("1 bun?")
    window.page.keyboard.press("Enter")

    expect(window.card("1 bun?")).to_be_visible()
    expect(window.page.get_by_role("dialog")).to_have_count(0)
    assert [(thing["name"], thing["shots"]) for thing in window.state()["classes"]] == [("1 bun?", [])]


def test_single_keys_undo_save_and_show_the_list_of_keys(window: StudioPage) -> None:
    window.teach("mug", n_shots=1)
    n_shots = window.card("mug").locator(".shot").count()
    window.page.keyboard.press("1")
    expect(window.card("mug").locator(".shot")).to_have_count(n_shots + 1)
    window.page.keyboard.press("Control+z")
    expect(window.card("mug").locator(".shot")).to_have_count(n_shots)

    window.page.keyboard.press("?")
    expect(window.page.get_by_role("dialog")).to_contain_text("undo the last change")
    window.page.keyboard.press("Escape")
    expect(window.page.get_by_role("dialog")).to_have_count(0)
    window.page.keyboard.press("s")
    expect(window.page.get_by_label("Name to save under")).to_be_focused()


def test_shots_are_one_tab_stop_and_go_by_arrows_and_delete(window: StudioPage) -> None:
    window.teach("mug", n_shots=4)
    shots = window.card("mug").locator(".shot")
    n_shots = shots.count()
    assert window.card("mug").locator(".shot[tabindex='0']").count() == 1

    window.record_button("mug").focus()
    window.page.keyboard.press("Tab")
    expect(shots.first).to_be_focused()
    window.page.keyboard.press("ArrowRight")
    expect(shots.nth(1)).to_be_focused()
    window.page.keyboard.press("Delete")

    expect(shots).to_have_count(n_shots - 1)
    expect(shots.nth(1)).to_be_focused()


def test_the_view_is_one_tab_stop_and_goes_by_arrows(window: StudioPage) -> None:
    for thing in ("mug", "key"):
        window.teach(thing, n_shots=2)
    views = window.page.get_by_role("radiogroup", name="Answers before or after adapting").get_by_role("radio")

    views.nth(2).focus()
    window.page.keyboard.press("ArrowLeft")

    expect(views.nth(1)).to_be_focused()
    expect(views.nth(1)).to_be_checked()
    expect(window.page.locator(".bars")).to_have_count(2)


def test_the_focus_stays_near_when_the_oldest_shot_or_the_only_one_is_deleted(window: StudioPage) -> None:
    window.record_button("Thing 1").click()
    shots = window.card("Thing 1").locator(".shot")
    expect(shots).to_have_count(1)
    window.record_button("Thing 1").click()
    expect(shots).to_have_count(2)

    shots.first.focus()
    window.page.keyboard.press("End")
    window.page.keyboard.press("Delete")
    expect(shots).to_have_count(1)
    expect(shots.first).to_be_focused()
    window.page.keyboard.press("Delete")
    expect(shots).to_have_count(0)

    expect(window.record_button("Thing 1")).to_be_focused()


def test_keys_of_an_input_method_do_not_end_the_editing_of_a_name(window: StudioPage) -> None:
    window.page.get_by_role("button", name="Thing 1: rename").click()
    field = window.page.get_by_label("New name of Thing 1")
    field.fill("かぎ")

    for key in ("Enter", "Escape"):
        field.dispatch_event("keydown", {"key": key, "isComposing": True, "bubbles": True})
        expect(field).to_be_focused()
    field.press("Enter")

    expect(window.card("かぎ")).to_be_visible()
