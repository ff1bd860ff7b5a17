"""Editing the support: shots come and go, limits hold, and each edit can be taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime import FrameError, Model, Prediction, Session, SupportError

Pictures = dict[str, list[NDArray[np.uint8]]]


def test_a_new_session_is_empty(session: Session) -> None:
    assert session.labels == ()
    assert session.n_shots == {}
    assert not session.is_stale


def test_one_frame_gives_one_id(session: Session, pictures: Pictures) -> None:
    shot_id = session.add("red", pictures["red"][0])

    assert isinstance(shot_id, int)
    assert session.n_shots == {"red": 1}
    assert session.is_stale


@pytest.mark.parametrize("several", [list, tuple, np.stack], ids=["list", "tuple", "4-D array"])
def test_several_frames_give_a_list_of_ids(session: Session, pictures: Pictures, several: Callable[..., Any]) -> None:
    shot_ids = session.add("red", several(pictures["red"][:3]))

    assert shot_ids == [0, 1, 2]
    assert session.n_shots == {"red": 3}


def test_a_list_of_one_frame_still_gives_a_list(session: Session, pictures: Pictures) -> None:
    assert session.add("red", pictures["red"][:1]) == [0]
    shot_ids: object = session.add("red", pictures["red"][0][None])
    assert shot_ids == [1]


def test_frames_of_different_sizes_and_kinds_go_together(session: Session) -> None:
    frames: list[NDArray[Any]] = [
        np.zeros((40, 50, 3), np.uint8),
        np.zeros((9, 200), np.uint16),
        np.zeros((33, 21, 4), np.uint8),
    ]

    assert session.add("dark", frames) == [0, 1, 2]


def test_a_grey_frame_is_one_frame(session: Session) -> None:
    assert session.add("dark", np.zeros((40, 50), np.uint8)) == 0


def test_an_id_is_never_given_twice(session: Session, pictures: Pictures) -> None:
    first = session.add("red", pictures["red"][:2])
    session.remove(first[1])
    session.undo()
    session.undo()

    assert session.add("red", pictures["red"][0]) not in first


def test_classes_keep_the_order_of_their_first_shot(session: Session, pictures: Pictures) -> None:
    for label in ("green", "red", "green", "blue", "red"):
        session.add(label, pictures[label][0])

    assert session.labels == ("green", "red", "blue")
    assert session.n_shots == {"green": 2, "red": 2, "blue": 1}


BAD_LABELS: list[tuple[Any, str]] = [
    ("", "must be a string with a visible character, got ''"),
    ("   ", "must be a string with a visible character, got '   '"),
    ("\t\n", "must be a string with a visible character"),
    (None, "must be a string with a visible character, got None"),
    (7, "must be a string with a visible character, got 7"),
    (b"red", "must be a string with a visible character, got b'red'"),
    (["red"], r"must be a string with a visible character, got \['red'\]"),
    ("re\nd", "must have at most 200 printable characters"),
    ("red\0", "must have at most 200 printable characters"),
    ("\x1b[31mred", "must have at most 200 printable characters"),
    ("\ud800", "must have at most 200 printable characters"),
    ("x" * 201, "must have at most 200 printable characters, got 'xxx"),
]


@pytest.mark.parametrize(("label", "message"), BAD_LABELS)
def test_a_bad_name_is_refused_when_adding_and_renaming(
    session: Session, pictures: Pictures, label: Any, message: str
) -> None:
    with pytest.raises(SupportError, match=f"a class name {message}"):
        session.add(label, pictures["red"][0])
    session.add("red", pictures["red"][0])
    with pytest.raises(SupportError, match=f"a class name {message}"):
        session.rename_class("red", label)

    assert session.n_shots == {"red": 1}


@pytest.mark.parametrize("label", ["x" * 200, "a b", "éclair", "杯子", "кружка №1", "🙂", "../x", "'\"; DROP"])
def test_any_printable_name_is_accepted(session: Session, pictures: Pictures, label: str) -> None:
    session.add(label, pictures["red"][0])

    assert session.labels == (label,)


@pytest.mark.parametrize("nothing", [[], (), np.zeros((0, 40, 40, 3), np.uint8)], ids=["list", "tuple", "array"])
def test_nothing_to_add_is_refused(session: Session, nothing: Any) -> None:
    with pytest.raises(SupportError, match="no frame to add to class 'red'"):
        session.add("red", nothing)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_bad_frame_in_a_list_adds_none_of_them(session: Session, pictures: Pictures, at: int) -> None:
    frames: list[NDArray[Any]] = list(pictures["red"][:2])
    frames.insert(at, np.zeros((40, 40, 3), np.float32))

    with pytest.raises(FrameError, match="must be uint8 or uint16, got float32"):
        session.add("red", frames)

    assert session.n_shots == {}
    with pytest.raises(SupportError, match="nothing to undo"):
        session.undo()


def test_a_path_is_no_frame_and_the_error_says_what_to_use(session: Session) -> None:
    with pytest.raises(FrameError, match="must be a numpy array, got str; use read_image for files"):
        session.add("red", ["red.jpg"])  # type: ignore[list-item]


def test_shots_beyond_the_limit_are_refused(session: Session, pictures: Pictures) -> None:
    for label in ("red", "green", "blue"):
        session.add(label, pictures[label])

    with pytest.raises(SupportError, match="24 shots and 1 more exceed the bundle's limit of 24; remove some"):
        session.add("red", pictures["red"][0])
    assert sum(session.n_shots.values()) == 24
    session.adapt()


def test_a_list_that_crosses_the_limit_adds_nothing(session: Session, pictures: Pictures) -> None:
    session.add("red", pictures["red"][0])

    with pytest.raises(SupportError, match="1 shots and 24 more exceed the bundle's limit of 24"):
        session.add("red", pictures["red"] * 3)
    assert session.n_shots == {"red": 1}


def test_classes_beyond_the_limit_are_refused(session: Session, pictures: Pictures) -> None:
    for index in range(6):
        session.add(f"class {index}", pictures["red"][index])

    with pytest.raises(SupportError, match="class 'seventh' would be number 7, the bundle's limit is 6"):
        session.add("seventh", pictures["red"][6])
    session.add("class 0", pictures["red"][6])
    session.remove_class("class 1")
    session.add("seventh", pictures["red"][6])
    assert len(session.labels) == 6


@pytest.mark.parametrize("shot_id", [99, -1, None, "0"])
def test_a_shot_that_does_not_exist_cannot_be_removed(session: Session, pictures: Pictures, shot_id: Any) -> None:
    session.add("red", pictures["red"][0])

    with pytest.raises(SupportError, match=f"no shot {shot_id!r}; it was removed, or never given out"):
        session.remove(shot_id)
    assert session.n_shots == {"red": 1}


def test_a_class_that_does_not_exist_cannot_be_edited(session: Session, pictures: Pictures) -> None:
    with pytest.raises(SupportError, match=r"no class 'mug'; the classes are \(none\)"):
        session.remove_class("mug")
    session.add("red", pictures["red"][0])
    session.add("green", pictures["green"][0])
    with pytest.raises(SupportError, match="no class 'mug'; the classes are red, green"):
        session.rename_class("mug", "cup")
    with pytest.raises(SupportError, match="class 'green' exists already; remove it first, or choose another name"):
        session.rename_class("red", "green")
    with pytest.raises(SupportError, match="class 'red' exists already"):
        session.rename_class("red", "red")


def answers(session: Session, pictures: Pictures) -> list[Prediction]:
    return session.predict_batch([frames[7] for frames in pictures.values()])


EDITS: list[tuple[str, Callable[[Session, Pictures], object]]] = [
    ("add to a class", lambda session, pictures: session.add("red", pictures["red"][3:5])),
    ("add a class", lambda session, pictures: session.add("grey", pictures["grey"][0])),
    ("remove a shot", lambda session, _: session.remove(0)),
    ("remove a class", lambda session, _: session.remove_class("green")),
    ("rename a class", lambda session, _: session.rename_class("blue", "azure")),
]


@pytest.mark.parametrize("edit", [row[1] for row in EDITS], ids=[row[0] for row in EDITS])
@pytest.mark.parametrize("adapt_after", [False, True])
def test_undo_restores_exactly_what_was_there(
    adapted: Session, pictures: Pictures, edit: Callable[[Session, Pictures], object], adapt_after: bool
) -> None:
    before = adapted.n_shots, adapted.is_stale, answers(adapted, pictures)

    edit(adapted, pictures)
    assert (adapted.n_shots, adapted.is_stale) != before[:2]
    if adapt_after:
        adapted.adapt(step_size=1.0)
        assert answers(adapted, pictures) != before[2]
    adapted.undo()

    assert (adapted.n_shots, adapted.is_stale, answers(adapted, pictures)) == before


def test_undo_of_the_last_shot_of_a_class_brings_the_class_back(adapted: Session, pictures: Pictures) -> None:
    before = answers(adapted, pictures)
    for shot_id in (3, 4, 5):
        adapted.remove(shot_id)
    assert list(adapted.labels) == ["red", "blue"]

    for _ in range(3):
        adapted.undo()

    assert list(adapted.labels) == ["red", "green", "blue"]
    assert answers(adapted, pictures) == before


def test_undo_goes_back_to_the_beginning_and_no_further(session: Session, pictures: Pictures) -> None:
    for label in ("red", "green"):
        session.add(label, pictures[label][0])
    session.undo()
    session.undo()

    assert session.labels == ()
    assert not session.is_stale
    with pytest.raises(SupportError, match="nothing to undo"):
        session.undo()


def test_undo_remembers_a_hundred_edits(session: Session, pictures: Pictures) -> None:
    session.add("0", pictures["red"][0])
    for index in range(101):
        session.rename_class(str(index), str(index + 1))
    for _ in range(100):
        session.undo()

    assert session.labels == ("1",)
    with pytest.raises(SupportError, match="nothing to undo"):
        session.undo()


def test_sessions_share_nothing_but_the_graphs(model: Model, pictures: Pictures) -> None:
    one, other = model.session(), model.session()
    one.add("red", pictures["red"][0])

    assert other.labels == ()
    with pytest.raises(SupportError, match="nothing to undo"):
        other.undo()


@pytest.mark.parametrize("wrong", [None, Path("mug.jpg"), 7])
def test_what_is_no_array_is_refused_as_a_frame(session: Session, wrong: object) -> None:
    with pytest.raises(FrameError, match="use read_image for files"):
        session.add("mug", wrong)  # type: ignore[call-overload]

    assert session.labels == ()
