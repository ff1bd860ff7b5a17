"""The studio's page in a browser, with the words that tests use."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, expect
from running_studio import RunningStudio

PATIENCE_MS = 30_000
NO_PROGRAM_FAULT = re.compile(r"Failed to load resource|WebSocket connection to")


class StudioPage:
    """One window of the studio. `faults` gathers what must never happen."""

    def __init__(self, context: BrowserContext, studio: RunningStudio) -> None:
        self.client = studio.client()
        self.address = f"{studio.url}/" + (f"?token={studio.token}" if studio.token else "")
        self.faults: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self._on_request)
        self.open()

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not NO_PROGRAM_FAULT.search(message.text):
            self.faults.append(f"console: {message.text}")

    def _on_request(self, request: Request) -> None:
        if urlsplit(request.url).scheme in ("data", "blob"):
            return
        if urlsplit(request.url).netloc != urlsplit(self.address).netloc:
            self.faults.append(f"asked another host: {request.url}")

    def open(self) -> None:
        """Open the address that the studio printed, and wait until the page knows the state."""
        self.page.goto(self.address)
        expect(self.page.locator("#model")).not_to_have_text("")

    def state(self) -> dict[str, Any]:
        """The studio's own view of everything."""
        state: dict[str, Any] = self.client.get("/api/state").raise_for_status().json()
        return state

    @property
    def cards(self) -> Locator:
        return self.page.locator(".card")

    def card(self, name: str) -> Locator:
        """The card of a thing."""
        return self.cards.filter(has=self.page.get_by_role("button", name=f"{name}: rename", exact=True))

    def record_button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=f"Hold to record {name}", exact=True)

    @property
    def answer(self) -> Locator:
        """The answer on the picture, after adapting."""
        return self.page.locator("#labels [data-when=after]")

    def toast(self, text: str) -> Locator:
        return self.page.locator(".toast", has_text=text)

    def show(self, thing: str) -> None:
        """Have the scene show a thing ("empty desk" for none), and wait until the page's picture shows it."""
        chip = self.page.locator("#stage-things").get_by_role("button", name=thing, exact=True)
        chip.click()
        expect(chip).to_have_class(re.compile("is-shown"))

    def rename(self, old: str, new: str) -> None:
        self.page.get_by_role("button", name=f"{old}: rename", exact=True).click()
        field = self.page.get_by_label(f"New name of {old}", exact=True)
        field.fill(new)
        field.press("Enter")
        expect(self.card(new)).to_be_visible()

    def hold(self, name: str, n_shots: int) -> None:
        """Hold the button until the card has so many shots."""
        button = self.record_button(name)
        button.scroll_into_view_if_needed()
        button.hover()
        self.page.mouse.down()
        self.card(name).locator(".shot").nth(n_shots - 1).wait_for(state="attached")
        self.page.mouse.up()
        expect(button).not_to_have_class(re.compile("is-recording"))

    def teach(self, name: str, n_shots: int = 6) -> None:
        """Do what a person does: show it, name it, hold the button."""
        self.show(name)
        if not self.card(name).count():
            draft = self.page.locator(".card.is-draft")
            if draft.count():
                self.rename(draft.first.locator(".card__name-text").inner_text(), name)
            else:
                self.page.get_by_role("button", name="Add a thing").click()
                self.page.keyboard.type(name)
                self.page.keyboard.press("Enter")
        self.hold(name, n_shots)

    def wait_until_adapted(self) -> None:
        expect(self.page.locator("#adaptation")).to_contain_text("Adapted", timeout=PATIENCE_MS)

    def expect_answer(self, name: str) -> None:
        expect(self.answer.locator(".answer__name")).to_have_text(name, timeout=PATIENCE_MS)
