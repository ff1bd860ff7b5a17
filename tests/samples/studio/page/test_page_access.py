"""Names, contrast, focus and sizes: what makes the page usable for everybody."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from studio_page import StudioPage

pytestmark = pytest.mark.browser

INTERACTIVE = "a[href], button, input, select, textarea, [role=radio]"
UNNAMED = """(selector) => [...document.querySelectorAll(selector)].filter((element) => {
  const labels = [...(element.labels ?? [])].map((label) => label.textContent).join("");
  const name = element.getAttribute("aria-label") || labels || (element.tagName === "INPUT" ? "" : element.textContent);
  return element.type !== "hidden" && !element.closest("[hidden]") && !name.trim();
}).map((element) => element.outerHTML.slice(0, 120))"""
TWICE = """() => {
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  return ids.filter((id, index) => ids.indexOf(id) !== index);
}"""
# Text on the live picture is white on a scrim, whatever the picture shows; it is left out here.
CONTRASTS = """() => {
  const channel = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r / 255, g / 255, b / 255, a / 255];
  };
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const ground = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const layer = rgba(getComputedStyle(e).backgroundColor);
      layers.unshift(layer);
      if (layer[3] === 1) break;
    }
    return layers.reduce((below, top) => over(top, below), [1, 1, 1, 1]);
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest(".camera__picture, :disabled, noscript")) continue;
    const below = ground(element), style = getComputedStyle(element);
    const text = over(rgba(style.color), below);
    const [light, dark] = [luminance(text), luminance(below)].sort((a, b) => b - a);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 700);
    found.push([(light + 0.05) / (dark + 0.05), large ? 3 : 4.5, element.textContent.trim().slice(0, 60)]);
  }
  return found;
}"""
CLASS_CONTRASTS = """() => {
  const style = getComputedStyle(document.documentElement);
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const channel = (v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = (name) => {
    canvas.fillStyle = style.getPropertyValue(name);
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
    return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  };
  const ratio = (a, b) => {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light + 0.05) / (dark + 0.05);
  };
  return [...Array(12).keys()].map((n) => [
    ratio(`--class-${n}`, "--on-class"), ratio(`--class-${n}`, "--card"), ratio(`--class-${n}`, "--sunken")]);
}"""


def fill(window: StudioPage) -> Page:
    """Have something of everything on the page."""
    for thing in ("mug", "key", "leaf"):
        window.teach(thing, n_shots=2)
    window.wait_until_adapted()
    window.page.get_by_role("radio", name="Both").first.click()
    window.page.get_by_label("Name to save under").fill("desk")
    window.page.get_by_role("button", name="Save", exact=True).click()
    expect(window.page.locator(".saved__item")).to_have_count(1)
    window.page.get_by_role("button", name="Save", exact=True).click()
    window.page.get_by_role("button", name="Delete leaf").click()
    expect(window.toast("Deleted “leaf”")).to_be_visible()
    window.page.get_by_role("button", name="Add a thing").click()
    return window.page


def test_everything_one_can_use_has_a_name_and_no_id_is_given_twice(window: StudioPage) -> None:
    page = fill(window)

    assert page.evaluate(UNNAMED, INTERACTIVE) == []
    assert page.evaluate(TWICE) == []
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").count() == 1
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("?")
    assert page.evaluate(UNNAMED, INTERACTIVE) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_themes(open_page: Callable[..., StudioPage], scheme: str) -> None:
    page = fill(open_page(color_scheme=scheme))

    measured = page.evaluate(CONTRASTS)

    assert len(measured) > 40
    assert [found for found in measured if found[0] < found[1]] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_class_colour_can_be_told_from_what_it_lies_on(open_page: Callable[..., StudioPage], scheme: str) -> None:
    ratios = open_page(color_scheme=scheme).page.evaluate(CLASS_CONTRASTS)

    assert min(ratio[0] for ratio in ratios) >= 4.5  # its number stands on it
    assert min(min(ratio[1:]) for ratio in ratios) >= 3


def test_the_tab_key_reaches_everything_one_can_use(window: StudioPage) -> None:
    page = fill(window)
    page.keyboard.press("Escape")
    window.wait_until_adapted()
    expect(page.locator("#save")).to_be_enabled()
    wanted = page.evaluate(
        """(selector) => [...document.querySelectorAll(selector)].filter((element) =>
      element.checkVisibility() && !element.disabled && element.tabIndex >= 0).length""",
        INTERACTIVE,
    )
    page.evaluate("document.activeElement.blur(); window.reached = new Set()")

    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        page.evaluate("document.activeElement !== document.body && window.reached.add(document.activeElement)")
    missed = page.evaluate(
        """(selector) => [...document.querySelectorAll(selector)].filter((element) =>
      element.checkVisibility() && !element.disabled && element.tabIndex >= 0 && !window.reached.has(element))
      .map((element) => element.outerHTML.slice(0, 120))""",
        INTERACTIVE,
    )

    assert missed == []


def test_fingers_find_large_targets_on_a_phone(open_page: Callable[..., StudioPage]) -> None:
    window = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = fill(window)

    small = page.evaluate(
        """(selector) => [...document.querySelectorAll(selector)].filter((element) => {
      const box = element.getBoundingClientRect();
      return element.checkVisibility() && box.width && !element.closest(".choice, .skip-link") && box.height < 43.5;
    }).map((element) => element.outerHTML.slice(0, 120))""",
        INTERACTIVE,
    )

    assert small == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_finger_deletes_a_shot_only_with_a_second_tap(open_page: Callable[..., StudioPage]) -> None:
    window = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    window.record_button("Thing 1").tap()
    shots = window.card("Thing 1").locator(".shot")
    expect(shots).to_have_count(1)

    shots.first.tap()
    expect(shots.first).to_contain_class("is-armed")
    expect(shots).to_have_count(1)
    shots.first.tap()

    expect(shots).to_have_count(0)


def test_the_picture_stays_in_sight_on_a_phone(open_page: Callable[..., StudioPage]) -> None:
    window = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    window.page.locator("#save-name").scroll_into_view_if_needed()

    expect(window.page.locator("#canvas")).to_be_in_viewport(ratio=0.9)
