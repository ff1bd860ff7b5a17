"""The rendered scene: known labels, the same frames every time, and a stage that decides what is seen."""

from __future__ import annotations

import threading
from importlib import resources
from itertools import pairwise

import numpy as np
import pytest

from hyperflow_runtime import HyperflowRuntimeError
from hyperflow_runtime.cameras.synthetic.source import SyntheticSource
from hyperflow_runtime.cameras.synthetic.stage import Showing


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


def test_the_same_calls_of_the_stage_give_the_same_frames_again() -> None:
    def played() -> list[np.ndarray]:
        desk, frames = source(seed="7"), []
        assert desk.stage is not None
        for number in range(90):
            if number in (20, 50):
                desk.stage.show("leaf" if number == 20 else None)
            if number == 70:
                desk.stage.show_in_turn()
            frames.append(desk.read().image_bgr)
        return frames

    for first, second in zip(played(), played(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_opening_again_starts_again_and_keeps_what_is_asked_for() -> None:
    desk = source(dwell_s="0.5", empty_s="0")
    first = [desk.read() for _ in range(40)]
    desk.open()
    again = [desk.read() for _ in range(40)]
    assert desk.stage is not None
    desk.stage.show("nut")
    desk.close()
    desk.open()

    assert {frame.label for frame in first} == {"bolt", "gear", "key"}
    assert [frame.label for frame in first] == [frame.label for frame in again]
    np.testing.assert_array_equal(first[-1].image_bgr, again[-1].image_bgr)
    assert desk.read().label == "nut"


def turns_of(desk: SyntheticSource, thing: str) -> list[bytes]:
    """Return one small picture of each of a thing's first fourteen turns before the camera."""
    assert desk.stage is not None
    desk.stage.show(thing)
    frames = [desk.read().image_bgr for _ in range(14 * 36)]
    return [frame[::16, ::16].tobytes() for frame in frames[18::36]]


def test_no_view_comes_twice_before_all_were_seen_and_each_showing_has_its_own_order() -> None:
    desk = SyntheticSource("desk", fps=None, width=160, height=120, options={})
    desk.open()
    named = [desk._view(Showing("mug", number, 0), turn) for number in range(2) for turn in range(28)]

    assert sorted(named[:14]) == sorted(named[14:28]) == sorted(set(named))
    assert named[:28] != named[28:]
    assert len(set(turns_of(desk, "mug") + turns_of(desk, "gear"))) == 28


@pytest.mark.parametrize("size", [(64, 64), (1920, 64), (64, 1920), (1920, 1080), (5000, 5000)])
def test_a_frame_of_any_shape_shows_nothing_but_the_scene(size: tuple[int, int]) -> None:
    made = SyntheticSource("", fps=None, width=size[0], height=size[1], options={})
    made.open()
    assert made.stage is not None
    made.stage.show(None)

    for _ in range(5):
        image_bgr = made.read().image_bgr
        assert image_bgr.shape == (min(size[1], 1920), min(size[0], 1920), 3)
        corners = image_bgr[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert corners.min() > 40  # beyond a view's edge, all would be black but for the noise


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
        ("desk", {"dwell_s": "1e999"}, "dwell_s"),
        ("desk", {"empty_s": "forever"}, "empty_s"),
        ("desk", {"things": "mug,mug"}, "names a thing twice"),
        ("desk", {"things": "mug,"}, "no thing ''"),
        ("desk", {"things": "gaer"}, "did you mean gear"),
        ("desk", {"things": "desk"}, "no thing 'desk'"),
        ("desk", {"seed": "x"}, "seed"),
        ("desk", {"seed": "-1"}, "seed"),
        ("desk", {"seed": "4294967296"}, "seed"),
        ("desk", {"seed": "\u0663"}, "seed"),
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
