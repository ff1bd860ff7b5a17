"""The rendered scene: known labels, the same frames every time, and a stage that decides what is seen."""

from __future__ import annotations

import threading
from importlib import resources
from itertools import pairwise

import numpy as np
import pytest

from hyperflow_runtime import HyperflowRuntimeError
from hyperflow_runtime.cameras.synthetic.source import SyntheticSource


def source(**options: str) -> SyntheticSource:
    made = SyntheticSource("desk", fps=None, width=None, height=None, options=options)
    made.open()
    return made


def test_frames_depend_on_the_seed_and_their_number_alone() -> None:
    first, second, other = source(), source(), source(seed="1")
    for made in (first, second, other):
        assert made.stage is not None
        made.stage.show("mug")
    frames = [[made.read().image_bgr for _ in range(40)][-1] for made in (first, second, other)]

    assert np.array_equal(frames[0], frames[1])
    assert not np.array_equal(frames[0], frames[2])


def test_labels_tell_what_is_shown_and_the_empty_desk_has_an_empty_one() -> None:
    desk = source()
    assert desk.stage is not None
    for thing in (*desk.stage.things, None):
        desk.stage.show(thing)
        assert desk.stage.shown == thing
        assert desk.read().label == (thing or "")


def test_things_come_in_turn_until_one_is_asked_for() -> None:
    desk = source(things="mug,key", dwell_s="1")
    assert desk.stage is not None
    assert desk.stage.in_turn
    labels = [desk.read().label for _ in range(150)]
    desk.stage.show("key")
    held = {desk.read().label for _ in range(60)}
    desk.stage.show_in_turn()

    assert set(labels) == {"mug", "key", ""}
    assert held == {"key"}
    assert desk.stage.in_turn


def test_a_thing_is_never_quite_still() -> None:
    desk = source()
    assert desk.stage is not None
    desk.stage.show("gear")
    frames = [desk.read().image_bgr.astype(int) for _ in range(90)]

    assert min(np.abs(a - b).mean() for a, b in pairwise(frames)) > 0.1
    assert np.abs(frames[0] - frames[-1]).mean() > 5


@pytest.mark.parametrize(
    ("target", "options", "told"),
    [
        ("beach", {}, "beach"),
        ("desk", {"things": "mug,teapot"}, "teapot"),
        ("desk", {"dwel_s": "3"}, "dwell_s"),
        ("desk", {"dwell_s": "nan"}, "dwell_s"),
        ("desk", {"dwell_s": "-1"}, "dwell_s"),
        ("desk", {"seed": "x"}, "seed"),
    ],
)
def test_a_wrong_address_is_told_with_what_is_there(target: str, options: dict[str, str], told: str) -> None:
    with pytest.raises(HyperflowRuntimeError, match=told):
        SyntheticSource(target, fps=None, width=None, height=None, options=options)


def test_a_thing_that_is_not_there_cannot_be_shown() -> None:
    desk = source(things="mug,key")
    assert desk.stage is not None
    with pytest.raises(HyperflowRuntimeError, match="gear"):
        desk.stage.show("gear")


def test_any_thread_may_direct_the_stage() -> None:
    desk = source()
    stage = desk.stage
    assert stage is not None
    done = threading.Event()

    def direct() -> None:
        for _ in range(200):
            stage.show("mug")
            stage.show(None)
            stage.show_in_turn()
        done.set()

    thread = threading.Thread(target=direct)
    thread.start()
    labels = set()
    while not done.is_set():
        labels.add(desk.read().label)
    thread.join()

    assert labels <= {*stage.things, ""}


def test_frames_have_the_size_that_is_asked_for() -> None:
    made = SyntheticSource("desk", fps=15, width=320, height=200, options={})
    made.open()

    assert made.read().image_bgr.shape == (200, 320, 3)
    assert made.nominal_fps == 15


def test_the_views_are_a_part_of_the_package_and_small() -> None:
    views = resources.files("hyperflow_runtime.cameras.synthetic") / "views"
    sizes = [len(view.read_bytes()) for view in views.iterdir() if view.name.endswith(".jpg")]

    assert len(sizes) > 100
    assert sum(sizes) < 3_000_000
