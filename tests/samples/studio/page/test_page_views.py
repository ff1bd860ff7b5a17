"""Before and after adapting, the map, colours, and many things."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from studio_page import StudioPage

pytestmark = pytest.mark.browser


def test_before_and_after_stand_side_by_side_in_bars_labels_and_maps(window: StudioPage) -> None:
    for thing in ("mug", "key", "leaf"):
        window.teach(thing)
    window.wait_until_adapted()
    expect(window.page.locator("#accuracy")).to_contain_text("of your shots are right")
    expect(window.page.locator(".map")).to_have_count(1)

    window.page.get_by_role("radio", name="Both").first.click()

    expect(window.page.locator("#labels .answer__when")).to_have_text(["Before adapting", "After adapting"])
    expect(window.page.locator(".bars")).to_have_count(2)
    expect(window.page.locator(".bars").first.locator(".bar__share").first).to_have_text(re.compile(r"\d+ %"))
    expect(window.page.locator(".map")).to_have_count(2)
    assert window.page.get_by_role("radio", name="Both", checked=True).count() == 2
    window.page.get_by_role("radio", name="Before").last.click()
    expect(window.page.locator("#labels .answer__when")).to_have_text(["Before adapting"])


def test_the_map_says_in_words_what_it_shows(window: StudioPage) -> None:
    for thing in ("mug", "key", "leaf"):
        window.teach(thing)
    window.wait_until_adapted()

    expect(window.page.locator("#legend li")).to_have_text(["mug", "key", "leaf"])
    expect(window.page.locator("#map-summary")).to_contain_text(
        re.compile(r"\d+ of \d+ lie next to a shot of the same")
    )
    expect(window.page.locator(".map__canvas")).to_have_attribute("aria-label", re.compile(r"Map of \d+ shots after"))


def test_maps_that_differ_by_a_turn_or_a_mirror_are_laid_on_each_other(window: StudioPage) -> None:
    worst = window.page.evaluate("""async () => {
      const { bestTurn, turned } = await import("./static/scripts/map-align.js");
      const points = [...Array(12).keys()].map((n) => ({ x: Math.sin(3 * n) * 0.9, y: Math.cos(7 * n * n) * 0.4 }));
      let worst = 0;
      for (const mirror of [1, -1]) {
        for (let angle = 0; angle < 6.3; angle += 0.3) {
          const [c, s] = [Math.cos(angle), Math.sin(angle)];
          const moved = points.map(({ x, y }) => ({ x: c * x - s * mirror * y, y: s * x + c * mirror * y }));
          const turn = bestTurn(moved, points);
          moved.forEach((point, index) => {
            const [x, y] = turned(turn, point.x, point.y);
            worst = Math.max(worst, Math.hypot(x - points[index].x, y - points[index].y));
          });
        }
      }
      return worst;
    }""")

    assert worst < 1e-9


def test_the_system_s_dark_colours_are_followed_and_a_choice_is_remembered(
    open_page: Callable[..., StudioPage],
) -> None:
    window = open_page(color_scheme="dark")
    theme, button = window.page.locator("html"), window.page.get_by_role("button", name=re.compile("^Theme"))
    expect(theme).to_have_attribute("data-theme", "dark")
    button.click()
    expect(theme).to_have_attribute("data-theme", "light")

    window.page.reload()
    expect(theme).to_have_attribute("data-theme", "light")
    button.click()
    button.click()

    expect(button).to_have_attribute("aria-label", re.compile("as the system"))
    window.page.emulate_media(color_scheme="light")
    expect(theme).to_have_attribute("data-theme", "light")


def test_as_many_things_as_the_model_takes_stay_usable(window: StudioPage) -> None:
    most = window.state()["limits"]["max_ways"]
    for number in range(most):
        window.client.post("/api/classes", json={"name": f"part {number:02}"}).raise_for_status()
    expect(window.cards).to_have_count(most)

    expect(window.page.locator(".cards.is-compact")).to_have_count(1)
    expect(window.page.get_by_role("button", name="Add a thing")).to_be_disabled()
    window.page.get_by_label("Find a thing by its name").fill(f"T {most - 1:02}")
    expect(window.cards.filter(visible=True)).to_have_count(1)
    window.record_button(f"part {most - 1:02}").click()
    window.page.get_by_role("button", name=f"Shots of part {most - 1:02}").click()

    expect(window.card(f"part {most - 1:02}").locator(".shot")).to_be_visible()


@pytest.mark.parametrize("width", [320, 390, 640, 760, 1280, 1920])
def test_no_width_needs_sideways_scrolling(open_page: Callable[..., StudioPage], width: int) -> None:
    window = open_page(viewport={"width": width, "height": 700})
    window.client.post("/api/classes", json={"name": "a name as long as names may be, " * 2}).raise_for_status()
    expect(window.page.locator(".card__name-text").first).to_contain_text("a name as long")

    assert window.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_nothing_moves_for_those_who_asked_for_that(open_page: Callable[..., StudioPage]) -> None:
    window = open_page(reduced_motion="reduce")
    window.page.locator(".record").first.hover()
    window.page.mouse.down()
    expect(window.page.locator("#recording")).to_be_visible()

    assert window.page.evaluate("document.getAnimations().length") == 0
    window.page.mouse.up()
