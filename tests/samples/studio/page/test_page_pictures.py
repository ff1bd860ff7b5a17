"""Pictures of every state of the page, to be looked at: build/screenshots/studio, or $HYPERFLOW_SCREENSHOTS/studio."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from running_studio import RunningStudio
from studio_page import PATIENCE_MS, StudioPage

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[4]
FOLDER = Path(os.environ.get("HYPERFLOW_SCREENSHOTS") or ROOT / "build/screenshots") / "studio"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
DEVICES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "phone": PHONE,
    "phone-dark": {**PHONE, "color_scheme": "dark"},
}
TOKEN = "a-token-for-tests-only"

Shoot = Callable[..., None]


@pytest.fixture(params=list(DEVICES))
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shoot(device: str) -> Shoot:
    """Write a picture of what is in sight, or of the whole page."""
    FOLDER.mkdir(parents=True, exist_ok=True)

    def write(window: StudioPage, state: str, *, whole: bool = False) -> None:
        if whole:
            window.page.evaluate("scrollTo(0, 0)")
        file = FOLDER / f"{device}-{state}.png"
        window.page.screenshot(path=file, full_page=whole, animations="disabled")
        assert file.stat().st_size > 5_000

    return write


@pytest.fixture
def on_device(open_page: Callable[..., StudioPage], device: str) -> StudioPage:
    return open_page(**DEVICES[device])


def has_picture(window: StudioPage) -> None:
    expect(window.page.locator("#speed")).to_contain_text("fps")


def test_pictures_of_the_way_from_nothing_to_three_things(on_device: StudioPage, shoot: Shoot) -> None:
    window, page = on_device, on_device.page
    has_picture(window)
    shoot(window, "01-nothing-yet")
    window.teach("mug")
    shoot(window, "02-one-thing")
    window.show("key")
    window.rename("Thing 2", "key")
    window.record_button("key").hover()
    page.mouse.down()
    window.card("key").locator(".shot").nth(5).wait_for(state="attached")
    shoot(window, "03-recording")
    page.mouse.up()
    window.teach("leaf", n_shots=8)
    window.wait_until_adapted()
    window.expect_answer("leaf")
    shoot(window, "04-three-things")
    page.get_by_label("Name to save under").fill("desk")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".saved__item")).to_have_count(1)
    page.get_by_role("button", name="Close this message").click()
    page.get_by_role("radio", name="Both").first.click()
    expect(page.locator("#labels .answer__when")).to_have_count(2)
    page.locator(".map__canvas").last.scroll_into_view_if_needed()
    shoot(window, "05-before-and-after", whole=True)
    page.get_by_role("radio", name="After").first.click()
    window.show("nut")
    window.expect_answer("unknown")
    shoot(window, "06-unknown")
    page.get_by_role("button", name="Delete leaf").click()
    expect(window.toast("Deleted “leaf”")).to_be_visible()
    shoot(window, "07-undo")


def test_pictures_of_names_files_and_questions(on_device: StudioPage, shoot: Shoot, tmp_path: Path) -> None:
    window, page = on_device, on_device.page
    for thing in ("mug", "key"):
        window.teach(thing, n_shots=3)
    page.get_by_role("button", name="Add a thing").click()
    shoot(window, "08-new-name")
    page.keyboard.press("Escape")
    for name in ("notes.txt", "a very long name of a picture that is none, from a camera far away.png"):
        (tmp_path / name).write_bytes(b"not a picture")
    window.card("key").locator("input[type=file]").set_input_files(list(tmp_path.glob("*.*")))
    expect(window.card("key").get_by_role("alert").locator("li")).to_have_count(2)
    window.card("key").scroll_into_view_if_needed()
    shoot(window, "09-bad-files")
    page.get_by_role("button", name="Start over").click()
    shoot(window, "10-start-over")
    page.get_by_role("button", name="Cancel").click()
    page.locator("h2").first.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("?")
    shoot(window, "11-keys")


def test_pictures_of_as_many_things_as_fit(on_device: StudioPage, shoot: Shoot) -> None:
    window = on_device
    for number in range(64):
        window.client.post("/api/classes", json={"name": f"part {number + 1:02}"}).raise_for_status()
    for number in (1, 2, 3, 40):
        card = window.record_button(f"part {number:02}")
        card.click()
        expect(window.card(f"part {number:02}").locator(".card__count")).to_have_text("1 shot")
    window.wait_until_adapted()
    window.page.get_by_role("button", name="Shots of part 02").click()
    window.page.locator("#things").evaluate("(things) => things.scrollIntoView()")
    shoot(window, "12-many-things")


def test_pictures_of_what_can_be_wrong(
    open_page: Callable[..., StudioPage], start_page_studio: Callable[..., RunningStudio], device: str, shoot: Shoot
) -> None:
    studio = start_page_studio(camera="/dev/video99")
    window = open_page(studio, **DEVICES[device])
    expect(window.page.locator("#camera-problem")).to_contain_text("/dev/video99")
    window.record_button("Thing 1").click()
    expect(window.toast("There is no picture")).to_be_visible()
    shoot(window, "13-no-camera")
    studio.stop()
    expect(window.page.locator("#banner")).to_be_visible(timeout=PATIENCE_MS)
    shoot(window, "14-no-server")


def test_pictures_of_the_page_that_asks_for_the_token(
    browser: Browser, start_page_studio: Callable[..., RunningStudio], device: str
) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    context = browser.new_context(**DEVICES[device])
    page = context.new_page()
    page.goto(start_page_studio("--token", TOKEN).url + "/?token=wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    page.screenshot(path=FOLDER / f"{device}-15-token.png")
    context.close()


def test_picture_for_the_documents(open_page: Callable[..., StudioPage]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    window = open_page(viewport={"width": 1600, "height": 880})
    for thing in ("key", "leaf", "mug"):
        window.teach(thing, n_shots=8)
    window.wait_until_adapted()
    window.client.post("/api/adaptations", json={"name": "desk"}).raise_for_status()
    window.expect_answer("mug")
    expect(window.page.locator("#map-summary")).not_to_have_text("")
    expect(window.page.locator("#score")).to_contain_text("of 200 frames", timeout=4 * PATIENCE_MS)
    window.page.evaluate("document.activeElement.blur()")

    picture = FOLDER / "overview.jpg"
    window.page.screenshot(path=picture, type="jpeg", quality=88, animations="disabled")

    assert picture.stat().st_size < 300_000
