"""The contact sheet copes with any amount of content and says what is right."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "folder_classifier"


@pytest.fixture
def picture(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SAMPLE))
    return importlib.import_module("picture")


def plain(size: tuple[int, int] = (40, 30), mode: str = "RGB") -> Image.Image:
    return Image.new(mode, size, 90)


def shows(sheet: Image.Image, ink: tuple[int, int, int]) -> bool:
    """Whether a colour fills pixels between the title and the legend."""
    content = np.asarray(sheet)[168 : sheet.height - 84]
    return bool((content == ink).all(axis=2).any())


@pytest.mark.parametrize(
    ("answer", "ink_name"), [("mug", "RIGHT"), ("a rather different thing", "WRONG"), (None, "UNKNOWN")]
)
def test_an_answer_is_marked_in_the_colour_of_its_outcome(
    picture: ModuleType, answer: str | None, ink_name: str
) -> None:
    row = picture.SheetRow("mug", [plain()], [picture.Query(plain(), answer, answer)])

    sheet = picture.draw_sheet([row], title="t", subtitle="s")

    for name in ("RIGHT", "WRONG", "UNKNOWN"):
        assert shows(sheet, getattr(picture.style, name)) == (name == ink_name)


@pytest.mark.parametrize("photos", [0, 1, 20])
@pytest.mark.parametrize("classes", [1, 20])
def test_the_sheet_copes_with_few_and_many_photos_of_few_and_many_classes(
    picture: ModuleType, classes: int, photos: int
) -> None:
    images = [plain((3 + 40 * number, 50), mode) for number, mode in zip(range(20), ["L", "RGBA"] * 10, strict=True)]
    queries = [picture.Query(image, "an endlessly long name" * 3, None) for image in images]
    rows = [picture.SheetRow("name" * 20, images[:photos], queries[:photos]) for _ in range(classes)]

    sheet = picture.draw_sheet(rows, title="title " * 60, subtitle="subtitle " * 90)

    assert sheet.mode == "RGB"
    assert 900 < sheet.width < 2600
    assert sheet.height > classes * 100
    margin = np.asarray(sheet)[:, -40:]
    assert (margin == margin[0, 0]).all(), "something runs into the right margin"


def test_a_sheet_without_classes_is_refused(picture: ModuleType) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        picture.draw_sheet([], title="t", subtitle="s")


def test_without_a_truth_an_answer_is_shown_without_a_verdict(picture: ModuleType) -> None:
    row = picture.SheetRow("mug", [plain()], [picture.Query(plain(), "mug", "pen")], is_known=False)

    sheet = picture.draw_sheet([row], title="t", subtitle="s")

    assert shows(sheet, picture.style.NEUTRAL)
    assert not shows(sheet, picture.style.RIGHT)
    assert not shows(sheet, picture.style.WRONG)
