"""Files in and out: pictures into a thing, adaptations saved, loaded, downloaded and uploaded."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect
from studio_page import StudioPage

pytestmark = pytest.mark.browser

DROP = """(card, files) => {
  const transfer = new DataTransfer();
  for (const [name, type, data] of files) {
    transfer.items.add(new File([Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0))], name, { type }));
  }
  card.dispatchEvent(new DragEvent("dragover", { dataTransfer: transfer, bubbles: true, cancelable: true }));
  card.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


def picture(colour: tuple[int, int, int], kind: str = "PNG") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (80, 60), colour).save(data, kind)
    return data.getvalue()


def drop(card: Locator, files: list[tuple[str, str, bytes]]) -> None:
    card.evaluate(DROP, [[name, kind, base64.b64encode(data).decode()] for name, kind, data in files])


def test_picture_files_are_chosen_and_become_shots(window: StudioPage) -> None:
    files = [
        {"name": f"{kind}.{kind}", "mimeType": f"image/{kind}", "buffer": picture((200, 40, 40), kind.upper())}
        for kind in ("png", "jpeg", "webp", "bmp")
    ]
    with window.page.expect_file_chooser() as chooser:
        window.page.get_by_role("button", name="Add picture files to Thing 1").click()
    chooser.value.set_files(files)

    expect(window.card("Thing 1").locator(".shot")).to_have_count(4)
    expect(window.card("Thing 1").locator(".card__progress")).to_be_hidden()
    expect(window.page.get_by_role("alert").filter(has_text="png")).to_have_count(0)


def test_dropped_files_become_shots_and_each_bad_one_is_listed_with_its_reason(window: StudioPage) -> None:
    whole = picture((30, 180, 60))
    card = window.card("Thing 2")
    drop(card, [
        ("green.png", "image/png", whole),
        ("notes.txt", "text/plain", b"not a picture"),
        ("torn.png", "image/png", whole[:60]),
        ("empty.png", "image/png", b""),
    ])  # fmt: skip

    expect(card.locator(".shot")).to_have_count(1)
    errors = card.get_by_role("alert").locator("li")
    expect(errors).to_have_count(3)
    for name in ("notes.txt", "torn.png", "empty.png"):
        text = errors.filter(has_text=name).inner_text()
        assert len(text) > len(name) + 10, text
    card.get_by_role("button", name="Close the list of errors").click()
    expect(errors).to_have_count(0)


def test_a_list_of_errors_is_read_out_once_while_other_files_are_sent(window: StudioPage) -> None:
    card = window.card("Thing 1")
    good = [(f"{number}.png", "image/png", picture((number, 40, 40))) for number in range(10)]
    drop(card, [("notes.txt", "text/plain", b"not a picture"), *good])
    alert = card.get_by_role("alert")
    alert.wait_for()
    first = alert.element_handle()

    expect(card.locator(".shot")).to_have_count(10)

    expect(card.locator(".card__progress")).to_be_hidden()
    assert first is not None
    assert first.evaluate("element => element.isConnected")


def test_a_file_that_is_too_large_is_not_even_sent(window: StudioPage, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    large.write_bytes(b"\0" * (window.state()["limits"]["upload_bytes"] + 1))
    sent: list[str] = []
    window.page.on("request", lambda request: sent.append(request.url) if request.url.endswith("/shots") else None)

    window.card("Thing 1").locator("input[type=file]").set_input_files(large)

    expect(window.card("Thing 1").get_by_role("alert")).to_contain_text("large.png: has")
    assert sent == []


def test_a_file_dropped_beside_the_cards_does_not_leave_the_page(window: StudioPage) -> None:
    drop(window.page.locator("main"), [("green.png", "image/png", picture((30, 180, 60)))])

    expect(window.record_button("Thing 1")).to_be_visible()
    assert window.state()["classes"] == []


def save(window: StudioPage, name: str) -> None:
    window.page.get_by_label("Name to save under").fill(name)
    window.page.get_by_role("button", name="Save", exact=True).click()


def test_what_was_taught_is_saved_and_loaded_after_starting_over(window: StudioPage) -> None:
    for thing in ("mug", "key"):
        window.teach(thing)
    window.wait_until_adapted()
    save(window, "desk")
    expect(window.page.locator(".saved__item", has_text="desk")).to_contain_text("mug, key")
    window.page.get_by_role("button", name="Start over").click()
    window.page.get_by_role("dialog").get_by_role("button", name="Start over").click()
    window.page.reload()
    expect(window.record_button("Thing 1")).to_be_visible()

    window.page.get_by_role("button", name="Load desk").click()

    expect(window.card("mug").locator(".shot").first).to_be_visible()
    expect(window.page.locator(".saved__item", has_text="in use")).to_contain_text("desk")
    expect(window.page.locator("#accuracy")).to_contain_text("Loaded from a file")
    expect(window.page.locator(".map__canvas")).to_have_attribute("aria-label", re.compile(r"Map of \d+ shots after"))
    window.show("mug")
    window.expect_answer("mug")


def test_saving_under_a_name_that_exists_asks_before_it_replaces(window: StudioPage) -> None:
    for thing in ("mug", "key"):
        window.teach(thing, n_shots=2)
    window.wait_until_adapted()
    save(window, "desk")
    expect(window.page.locator(".saved__item")).to_have_count(1)
    save(window, "desk")

    replace = window.page.locator("#save-problem").get_by_role("button", name="Replace it")
    replace.click()

    expect(window.page.locator("#save-problem")).to_be_hidden()
    expect(window.page.locator(".saved__item")).to_have_count(1)


@pytest.mark.parametrize("name", ["", "../up", "a/b"])
def test_a_name_that_is_no_file_name_is_refused_beside_the_field(window: StudioPage, name: str) -> None:
    for thing in ("mug", "key"):
        window.teach(thing, n_shots=1)
    window.wait_until_adapted()

    save(window, name)

    expect(window.page.locator("#save-problem")).to_be_visible()
    expect(window.page.locator("#save-problem")).to_contain_text("name")
    assert window.client.get("/api/adaptations").json() == []


def test_an_adaptation_goes_out_by_download_and_comes_back_by_upload(window: StudioPage, tmp_path: Path) -> None:
    for thing in ("mug", "key"):
        window.teach(thing, n_shots=2)
    window.wait_until_adapted()
    save(window, "desk")
    with window.page.expect_download() as download:
        window.page.get_by_role("link", name="Download desk").click()
    file = tmp_path / "bench.adaptation"
    download.value.save_as(file)
    assert download.value.suggested_filename == "desk.adaptation"

    window.page.locator("#upload-adaptation-file").set_input_files(file)

    expect(window.page.locator(".saved__item", has_text="bench")).to_be_visible()
    window.toast("Uploaded “bench”").get_by_role("button", name="Load").click()
    expect(window.toast("Loaded “bench”")).to_be_visible()


def test_a_torn_adaptation_is_refused_with_the_reason(window: StudioPage, tmp_path: Path) -> None:
    file = tmp_path / "torn.adaptation"
    file.write_bytes(b"PK\x03\x04 half of a file")

    window.page.locator("#upload-adaptation-file").set_input_files(file)

    expect(window.page.locator(".toast--bad")).to_be_visible()
    expect(window.page.locator(".saved__item")).to_have_count(0)


def test_a_saved_adaptation_is_deleted_after_a_question(window: StudioPage) -> None:
    for thing in ("mug", "key"):
        window.teach(thing, n_shots=1)
    window.wait_until_adapted()
    save(window, "desk")

    window.page.get_by_role("button", name="Delete desk").click()
    window.page.get_by_role("dialog").get_by_role("button", name="Delete").click()

    expect(window.page.locator(".saved__item")).to_have_count(0)
    assert window.client.get("/api/adaptations").json() == []
