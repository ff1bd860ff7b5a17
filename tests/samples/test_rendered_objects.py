"""The renderer of sample photos is deterministic, and what it draws can be seen."""

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "rendered_objects"
VIEWS = SAMPLE.parents[1] / "runtime/hyperflow_runtime/cameras/synthetic/views"
KINDS = ("bolt", "gear", "key", "leaf", "mug", "nut", "pencil", "scissors", "spoon", "wrench")


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SAMPLE))
    return importlib.import_module("scene")


@pytest.fixture
def write_images(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SAMPLE))
    return importlib.import_module("write_images")


def pixels(scene: ModuleType, kind: str, seed: int) -> npt.NDArray[np.uint8]:
    return np.asarray(scene.render_object(kind, np.random.default_rng(seed)))


def test_the_listed_kinds_are_the_rendered_kinds(scene: ModuleType) -> None:
    assert scene.KINDS == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_renders_a_photo_with_contrast_that_its_seed_repeats(scene: ModuleType, kind: str) -> None:
    photo = pixels(scene, kind, 7)

    assert photo.shape == (256, 256, 3)
    assert photo.dtype == np.uint8
    assert photo.std() > 12
    assert 25 < photo.mean() < 235
    assert (photo.max(axis=2) == 255).mean() < 0.2
    np.testing.assert_array_equal(photo, pixels(scene, kind, 7))


def test_another_seed_gives_another_photo(scene: ModuleType) -> None:
    first, second = pixels(scene, "key", 1).astype(int), pixels(scene, "key", 2).astype(int)

    assert np.abs(first - second).mean() > 5


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_stands_out_from_its_desk_without_filling_the_view(scene: ModuleType, kind: str) -> None:
    steps = np.linspace(-1.3, 1.3, 96, dtype=np.float32)
    u, v = np.meshgrid(steps, steps)
    shapes = importlib.import_module("shapes")

    relief = scene.DRAWERS[kind](shapes.Plane(u, v, (0.4, 0.3)), np.random.default_rng(3))

    inside = relief.distance < 0
    assert 0.03 < inside.mean() < 0.6
    edges = (inside[0], inside[-1], inside[:, 0], inside[:, -1])
    assert not any(edge.any() for edge in edges)
    assert np.isfinite(relief.height).all()
    assert np.isfinite(relief.colour).all()


def test_rendering_leaves_the_global_random_state_alone(scene: ModuleType) -> None:
    before = str(np.random.get_state(legacy=False))

    pixels(scene, "mug", 0)

    assert str(np.random.get_state(legacy=False)) == before


def test_an_unknown_kind_is_refused_by_name(scene: ModuleType) -> None:
    with pytest.raises(ValueError, match="teapot"):
        scene.render_object("teapot", np.random.default_rng(0))


def test_sample_images_are_written_by_split_and_kind(write_images: ModuleType, tmp_path: Path) -> None:
    write_images.write_sample_images(tmp_path, n_support=2, n_query=1, seed=4, kinds=("nut", "spoon"))

    written = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jpg"))
    assert written == [
        "query/nut/000.jpg",
        "query/spoon/000.jpg",
        "support/nut/000.jpg",
        "support/nut/001.jpg",
        "support/spoon/000.jpg",
        "support/spoon/001.jpg",
    ]
    with Image.open(tmp_path / "support/nut/001.jpg") as photo:
        assert (photo.size, photo.mode) == ((256, 256), "RGB")


def test_a_photo_does_not_depend_on_how_many_others_are_written(write_images: ModuleType, tmp_path: Path) -> None:
    write_images.write_sample_images(tmp_path / "few", n_support=0, n_query=1, kinds=("spoon",))
    write_images.write_sample_images(tmp_path / "many", n_support=1, n_query=2, kinds=("nut", "spoon"))

    name = "query/spoon/000.jpg"
    assert (tmp_path / "few" / name).read_bytes() == (tmp_path / "many" / name).read_bytes()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"kinds": ("nut", "teapot")}, "unknown kinds"), ({"n_query": -1}, "n_query=-1"), ({"seed": -1}, "seed=-1")],
)
def test_impossible_requests_write_nothing(
    write_images: ModuleType, tmp_path: Path, wrong: dict[str, object], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        write_images.write_sample_images(tmp_path, **wrong)

    assert list(tmp_path.iterdir()) == []


# Mean colour of each ninth of one photo a kind, as rows of RGB in hexadecimal.
PHOTOS = {
    "bolt": "7e7e8781828b80818a7a73727e746e827d7e777780797a83777880",
    "gear": "78767c867e7b7b7a81787270796f67837b786c6b716f6968706e73",
    "key": "76777f797982797982807e7784827b7d7c8071717973737b71727a",
    "leaf": "7979827c7c857b7b847076755d8155717b7873737c72737973747c",
    "mug": "81828b86808784848e837675a55847877c836e6d7471696c7c7c85",
    "nut": "73737a857f7e74757d77727173685e847e7d68686f6f69676c6c73",
    "pencil": "7879817d7d867a7b8471737c646d7f7a7a8273737c77777f73737c",
    "scissors": "74747d777780777780625b72726f7f76767f6c6c757071796f7078",
    "spoon": "7e7e8881828b80818a7c7c8681818a8686907879817b7b84787981",
    "wrench": "76777f7c7c8578798172747c777a8276798171717975767e717179",
}


def ninths(photo: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    return np.array(
        [[part.mean(axis=(0, 1)) for part in np.array_split(row, 3, 1)] for row in np.array_split(photo, 3)]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_photo_that_it_always_gave(scene: ModuleType, kind: str) -> None:
    expected = np.frombuffer(bytes.fromhex(PHOTOS[kind]), np.uint8).reshape(3, 3, 3)

    np.testing.assert_allclose(ninths(pixels(scene, kind, 7)), expected, atol=1.5)


@pytest.fixture
def write_views(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SAMPLE))
    return importlib.import_module("write_views")


@pytest.mark.parametrize(("kind", "number"), [("bolt", 0), ("mug", 13), (None, 5)])
def test_the_views_in_the_runtime_are_what_the_script_renders(
    write_views: ModuleType, kind: str | None, number: int
) -> None:
    rendered = np.asarray(write_views.render_view(kind, number)).astype(int)
    with Image.open(VIEWS / f"{kind or 'desk'}-{number:02d}.jpg") as view:
        shipped = np.asarray(view).astype(int)

    assert shipped.shape == (420, 560, 3)
    assert np.abs(rendered - shipped).mean() < 4  # a JPEG is never quite what was put into it


def test_there_are_as_many_views_of_the_empty_desk_as_of_each_thing() -> None:
    names = sorted(view.name for view in VIEWS.glob("*.jpg"))

    assert names == sorted(f"{thing}-{number:02d}.jpg" for thing in (*KINDS, "desk") for number in range(14))


def test_all_views_of_a_thing_show_the_same_thing(write_views: ModuleType) -> None:
    for kind in KINDS:
        assert write_views.THINGS[kind].most_turn > 0
    reds = [np.asarray(write_views.render_view("mug", number))[150:270, 200:360] for number in range(3)]

    for red in reds:
        hue = red.reshape(-1, 3).astype(int)
        assert (hue[:, 0] > 2 * np.maximum(hue[:, 1], hue[:, 2])).mean() > 0.08  # the mug is red in each of them
    assert len({red.tobytes() for red in reds}) == 3


def test_views_are_written_by_thing_and_number(
    write_views: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_views, "KINDS", ("bolt",))

    files = list(write_views.write_views(tmp_path / "views", n_views=2))

    assert [file.name for file in files] == ["bolt-00.jpg", "bolt-01.jpg", "desk-00.jpg", "desk-01.jpg"]
    assert all(file.stat().st_size > 1000 for file in files)
    with pytest.raises(ValueError, match="n_views=0"):
        list(write_views.write_views(tmp_path / "none", n_views=0))


def test_the_scene_is_drawn_as_one_picture(tmp_path: Path) -> None:
    command = [sys.executable, SAMPLE / "draw_scene.py", tmp_path / "scene.jpg"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)

    assert result.returncode == 0, result.stderr
    with Image.open(tmp_path / "scene.jpg") as sheet:
        assert sheet.size == (960, 540)
