"""ORBIT's tree: users, objects, videos in temporal order, and annotations that are absent or torn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hyperflow.datasets.opening import open_datasets
from hyperflow.episodes.orbit import OrbitProtocol
from hyperflow.errors import DataError
from hyperflow.images.structure import Videos

from .conftest import pixels_of, write_image

SMALL = OrbitProtocol(subsample_factor=2, n_query_frames=3, min_query_frames=2)


def write_user(root: Path, user: str, mode: str = "test", n_frames: int = 4) -> None:
    """Two objects, two clean and one clutter video each; the second frame of a clutter video lacks the object."""
    for number, thing in enumerate(("keys", "mug")):
        for kind, n_videos in (("clean", 2), ("clutter", 1)):
            for video in range(n_videos):
                name = f"{user}--{thing}--{kind}--{video}"
                frames = [f"{name}-{frame:05}.png" for frame in range(n_frames)]
                for frame, file in enumerate(frames):
                    write_image(root / mode / user / thing / kind / name / file, pixels_of(number, 5 * video + frame))
                if kind == "clutter":
                    path = root / "annotations" / mode / f"{name}.json"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    flags = {frames[0]: {"object_not_present_issue": False, "object_bounding_box": {"x": 1}},
                             frames[1]: {"object_not_present_issue": True, "object_bounding_box": None},
                             frames[2]: {"object_not_present_issue": None}}  # fmt: skip
                    path.write_text(json.dumps(flags))


def test_every_user_is_a_set_whose_videos_keep_their_order(tmp_path: Path) -> None:
    write_user(tmp_path, "P2")
    write_user(tmp_path, "P1")
    write_user(tmp_path, "P9", mode="train")

    sets = open_datasets(tmp_path, "TEST")

    assert [s.name for s in sets] == ["P1", "P2"]
    user = sets[0]
    assert list(user.classes) == ["keys", "mug"]
    assert user.class_sizes == [12, 12]
    assert isinstance(user.structure, Videos)
    seen = [(v.name[4:], v.label, v.is_clean, v.first_row, v.n_frames) for v in user.structure.videos]
    assert seen == [
        ("keys--clean--0", 0, True, 0, 4), ("keys--clean--1", 0, True, 4, 4), ("keys--clutter--0", 0, False, 8, 4),
        ("mug--clean--0", 1, True, 12, 4), ("mug--clean--1", 1, True, 16, 4), ("mug--clutter--0", 1, False, 20, 4),
    ]  # fmt: skip
    for video in user.structure.videos:
        for frame in range(video.n_frames):
            expected = pixels_of(video.label, 5 * int(video.name[-1]) + frame)
            np.testing.assert_array_equal(np.asarray(user.image(user.member(video.first_row + frame))), expected)


def test_a_frame_is_a_query_unless_its_annotation_says_that_the_object_is_absent(tmp_path: Path) -> None:
    write_user(tmp_path, "P1")
    (user,) = open_datasets(tmp_path)
    assert isinstance(user.structure, Videos)

    shown = {v.name: None if v.shows_object is None else v.shows_object.tolist() for v in user.structure.videos}

    assert shown["P1--mug--clutter--0"] == [True, False, True, True]
    assert shown["P1--mug--clean--0"] is None
    assert SMALL.draw(user, 0).query_rows.tolist() == [8, 10, 11, 20, 22, 23]


def test_users_of_every_mode_are_opened_without_a_split(tmp_path: Path) -> None:
    write_user(tmp_path, "P1")
    write_user(tmp_path, "P9", mode="train")
    write_user(tmp_path, "P5", mode="validation")

    assert [s.name for s in open_datasets(tmp_path)] == ["P1", "P5", "P9"]
    assert [s.name for s in open_datasets(tmp_path, "VALID")] == ["P5"]
    assert [s.name for s in open_datasets(tmp_path / "validation")] == ["P5"]


def test_a_user_without_annotations_is_opened_but_not_drawn_from_unless_told(tmp_path: Path) -> None:
    write_user(tmp_path, "P1")
    (tmp_path / "annotations/test/P1--mug--clutter--0.json").unlink()
    (user,) = open_datasets(tmp_path)

    with pytest.raises(DataError, match=r"P1: nothing tells which frames of P1--mug--clutter--0 .*annotations/test"):
        SMALL.draw(user, 0)
    lenient = OrbitProtocol(subsample_factor=2, n_query_frames=9, min_query_frames=2, needs_annotations=False)
    assert lenient.draw(user, 0).query_rows.tolist() == [8, 10, 11, 20, 21, 22, 23]


@pytest.mark.parametrize("text", ["{", "[1]", '{"a.jpg": {"object_not_present_issue": "no"}}', '{"a.jpg": 3}'])
def test_a_torn_annotation_is_refused(text: str, tmp_path: Path) -> None:
    write_user(tmp_path, "P1")
    (tmp_path / "annotations/test/P1--mug--clutter--0.json").write_text(text)

    with pytest.raises(
        DataError, match=r"P1--mug--clutter--0\.json is not a readable annotation \(.*\); copy it again"
    ):
        open_datasets(tmp_path)


def test_a_user_without_frames_is_refused(tmp_path: Path) -> None:
    write_user(tmp_path, "P1")
    (tmp_path / "test/P2/keys/clean").mkdir(parents=True)

    with pytest.raises(DataError, match="P2 holds no frame"):
        open_datasets(tmp_path)
