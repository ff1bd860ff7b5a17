"""The renderer of sample photos is deterministic, and what it draws can be seen."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "rendered_objects"
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
