"""What is drawn: sizes, letters of any script, bars, and the frame as it was."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

pytest.importorskip("cv2")

Load = Callable[[str], ModuleType]


def frame(height: int = 480, width: int = 640) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("size", "shown"),
    [((480, 640), (480, 640)), ((720, 1280), (720, 1280)), ((60, 80), (360, 480)), ((3000, 4000), (1080, 1440)),
     ((481, 641), (480, 640)), ((1000, 16), (1000, 16))],
)  # fmt: skip
def test_a_frame_of_any_size_is_shown_at_a_readable_one_with_even_sides(
    load: Load, size: tuple[int, int], shown: tuple[int, int]
) -> None:
    canvas = load("overlay").Overlay(1.0).draw(frame(*size), load("scoreboard").Scoreboard("mug"))

    assert canvas.shape[0] == shown[0]
    assert canvas.shape[1] == shown[1] + round(shown[0] * 0.28) * 2
    assert canvas.shape[1] % 2 == 0


def test_the_frame_itself_is_left_as_it_is_and_may_be_read_only(load: Load) -> None:
    image, board = frame(), load("scoreboard").Scoreboard("mug", message="saved", is_flashing=True)
    before = image.copy()
    image.flags.writeable = False

    canvas = load("overlay").Overlay(1.0).draw(image, board)

    assert (image == before).all()
    assert (canvas[200:300, 200:300] == image[200:300, 200:300]).all()


def test_a_mirrored_picture_leaves_the_text_as_it_is(load: Load) -> None:
    overlay, board = load("overlay").Overlay(None), load("scoreboard").Scoreboard
    image = frame()

    plain, mirrored = (overlay.draw(image, board("mug", is_mirrored=is_mirrored)) for is_mirrored in (False, True))

    assert (mirrored[:, :640] == plain[:, :640][:, ::-1]).all()
    assert (mirrored[:, 640:] == plain[:, 640:]).all()


def test_a_bar_is_as_long_as_its_probability(load: Load) -> None:
    board = load("scoreboard")

    def bar_px(share: float) -> int:
        row = board.Row(1, "mug", share, 3)
        canvas = load("overlay").Overlay(1.0).draw(frame(), board.Scoreboard("", rows=(row,)))
        return int((canvas[110, 640:] == load("overlay")._CLASS_INKS[1]).all(axis=1).sum())

    assert bar_px(0.0) == 0
    assert bar_px(0.5) == pytest.approx(bar_px(1.0) / 2, abs=1)
    assert bar_px(1.0) > 150


@pytest.mark.parametrize("name", ["mug", "Löffel", "кружка", "x" * 200, "杯子", "\U0001f6b2"])
def test_names_of_any_script_and_length_are_drawn_inside_the_panel(load: Load, name: str) -> None:
    board = load("scoreboard")
    rows = (board.Row(1, name, 0.9, 5),)

    canvas = load("overlay").Overlay(1.0).draw(frame(), board.Scoreboard(name, 1, 0.9, rows, (name,), name))

    lit = (canvas[:, 640:] > 100).any(axis=(0, 2))
    assert lit.any()
    assert not lit[:8].any()
    assert not lit[-8:].any()


def test_letters_beyond_ascii_are_not_all_the_same_box(load: Load) -> None:
    lettering = load("lettering")
    if lettering._typeface("DejaVuSans.ttf", 20) is None:
        pytest.skip("needs the font DejaVu Sans (fonts-dejavu-core)")
    canvases = [np.zeros((40, 60, 3), np.uint8) for _ in "äжα"]

    for canvas, letter in zip(canvases, "äжα", strict=True):
        lettering.write(canvas, (5, 30), letter, 24, (255, 255, 255))

    assert len({canvas.tobytes() for canvas in canvases}) == 3


def test_text_over_the_edges_is_cut_off(load: Load) -> None:
    canvas = np.zeros((20, 20, 3), np.uint8)

    for at in ((-30, 5), (15, 30), (5, -3), (400, 400), (-400, -400)):
        load("lettering").write(canvas, at, "something long", 16, (255, 255, 255))

    assert canvas.any()


def test_the_help_covers_the_picture_and_nothing_else(load: Load) -> None:
    board = load("scoreboard").Scoreboard
    overlay = load("overlay").Overlay(1.0)

    plain, helped = (overlay.draw(frame(), board("mug", is_help=is_help)) for is_help in (False, True))

    assert helped[:, :640].mean() < plain[:, :640].mean() / 3
    assert (helped[:, 640:] == plain[:, 640:]).all()


def test_the_most_probable_classes_are_shown_in_the_order_of_their_keys(load: Load) -> None:
    board, names = load("scoreboard"), {number: f"c{number}" for number in range(1, 10)} | {0: "background"}
    n_shots = {f"c{number}": 3 for number in range(1, 9)} | {"background": 2, "elsewhere": 1}
    scores = dict.fromkeys(n_shots, 0.01) | {"c7": 0.5, "c2": 0.2, "background": 0.1, "elsewhere": 0.1, "c4": 0.05}

    rows = board.rows_of(names, n_shots, scores)

    assert [(row.key, row.name) for row in rows] == [
        (2, "c2"), (4, "c4"), (7, "c7"), (0, "background"), (None, "elsewhere"),
    ]  # fmt: skip


def test_free_keys_are_offered_while_there_is_room(load: Load) -> None:
    rows_of, names = (
        load("scoreboard").rows_of,
        {number: f"thing {number}" for number in range(1, 10)} | {0: "background"},
    )

    assert [row.key for row in rows_of(names, {}, None)] == [1, 2]
    assert [row.key for row in rows_of(names, {"thing 1": 4, "background": 1}, None)] == [1, 2, 3, 0]
    assert len(rows_of(names, dict.fromkeys(names.values(), 1), None)) == 5
