"""The split: every class on one side, and the configurations that the project ships."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from hyperflow.commands.run_config import read_run_config
from hyperflow.datasets.domain_split import DomainSplit
from hyperflow.errors import ConfigError, DataError
from hyperflow.images.image_set import open_image_sets
from hyperflow.images.packed import PackedSet
from hyperflow.training.drawn_episodes import EpisodeShape
from hyperflow.training.drift_training import TrainConfig
from hyperflow.training.pretraining import PretrainConfig
from hyperflow.trajectories.config import SimulationConfig

CONFIGS = Path(__file__).parents[3] / "configs"


def _domain(name: str, n_classes: int) -> PackedSet:
    """Two images a class; the pixel says which class of which set."""
    pixels = np.arange(2 * n_classes, dtype=np.uint8)[:, None, None, None]
    names = tuple(f"{name}{c}" for c in range(n_classes))
    return PackedSet(name, names, tuple(np.arange(2 * c, 2 * c + 2) for c in range(n_classes)), pixels)


DOMAINS = [_domain("cars", 9), _domain("food", 8), _domain("signs", 6), _domain("words", 2)]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.67, 0.9])
def test_every_class_is_on_one_side_only(share: float) -> None:
    split = DomainSplit(meta_validation=("food",), refinement_only=("signs",), pretraining_share=share)
    parts = split.apply(DOMAINS)

    sides = [parts.pretraining, parts.refinement, parts.meta_validation]
    classes = [{name for domain in side for name in domain.class_names} for side in sides]
    assert not classes[0] & classes[1]
    assert not (classes[0] | classes[1]) & classes[2]
    assert classes[2] == {f"food{c}" for c in range(8)}
    assert {f"signs{c}" for c in range(6)} <= classes[1]
    assert len([name for name in classes[0] if name.startswith("cars")]) == round(9 * share)


def test_the_images_of_a_class_stay_with_it() -> None:
    parts = DomainSplit(pretraining_share=0.5).apply(DOMAINS)

    for domain in [*parts.pretraining, *parts.refinement]:
        for label, name in enumerate(domain.class_names):
            pixels = domain.images_rgb(np.flatnonzero(domain.labels == label))
            c = int(name.removeprefix(domain.name))
            assert pixels.ravel().tolist() == [2 * c, 2 * c + 1]


def test_the_same_seed_divides_alike_whatever_other_sets_there_are() -> None:
    alone, among = DomainSplit().apply(DOMAINS[:1]), DomainSplit().apply(DOMAINS)
    others = [DomainSplit(seed=seed).apply(DOMAINS[:1]).pretraining[0].class_names for seed in range(1, 6)]

    assert alone.pretraining[0].class_names == among.pretraining[0].class_names
    assert any(names != alone.pretraining[0].class_names for names in others)


def test_a_single_class_that_is_left_over_makes_no_episodes() -> None:
    parts = DomainSplit(pretraining_share=0.5).apply([_domain("words", 2)])

    assert [len(domain.class_names) for domain in parts.pretraining] == [1]
    assert parts.refinement == []


def test_a_share_of_one_leaves_nothing_for_refinement() -> None:
    parts = DomainSplit(pretraining_share=1.0).apply(DOMAINS)

    assert parts.refinement == []
    assert [len(domain.class_names) for domain in parts.pretraining] == [9, 8, 6, 2]


@pytest.mark.parametrize("share", [-0.5, 1.01])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"pretraining_share must be in [0, 1], got {share}")):
        DomainSplit(pretraining_share=share)


def test_a_set_named_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="sets named as meta_validation and refinement_only: cars, food"):
        DomainSplit(meta_validation=("food", "cars", "signs"), refinement_only=("cars", "food"))


def test_a_named_set_that_is_not_there_is_refused() -> None:
    split = DomainSplit(meta_validation=("foood",), refinement_only=("carz", "signs"))

    with pytest.raises(DataError, match="the split names carz, foood, but the sets are cars, food, signs, words"):
        split.apply(DOMAINS)


def test_a_split_may_leave_nothing_for_pretraining() -> None:
    everything_held_out = DomainSplit(meta_validation=("food",), refinement_only=("cars", "signs", "words"))

    assert everything_held_out.apply(DOMAINS).pretraining == []


def test_a_share_of_nothing_gives_every_class_to_refinement() -> None:
    parts = DomainSplit(pretraining_share=0.0).apply(DOMAINS)

    assert parts.pretraining == []
    assert [domain.class_names for domain in parts.refinement] == [domain.class_names for domain in DOMAINS]


@pytest.mark.parametrize("model", ["nano", "small"])
def test_the_shipped_configurations_of_a_model_divide_the_sets_alike(model: str) -> None:
    train = read_run_config(TrainConfig, CONFIGS / f"{model}-train.json").split
    pretrained = [read_run_config(PretrainConfig, path).split for path in CONFIGS.glob(f"{model}-pretrain*.json")]

    assert train.meta_validation
    assert pretrained
    assert all(split == train for split in pretrained)


def test_the_other_shipped_configurations_are_valid() -> None:
    small = read_run_config(TrainConfig, CONFIGS / "small-train.json").split

    assert read_run_config(SimulationConfig, CONFIGS / "small-simulate.json").split == small
    assert read_run_config(TrainConfig, CONFIGS / "mobilenetv2-train.json").split.pretraining_share == 0


@pytest.mark.data
def test_the_shipped_configurations_name_sets_that_exist(data_dir: Path) -> None:
    split = read_run_config(TrainConfig, CONFIGS / "small-train.json").split
    names = {image_set.name for image_set in open_image_sets(data_dir / "data/train")}

    assert {*split.meta_validation, *split.refinement_only} < names


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"n_step": 5}', r"is not a configuration of this command \(Object contains unknown field `n_step`\)"),
        (b'{"n_steps": "5"}', r"Expected `int`, got `str` - at `\$.n_steps`"),
        (b'{"n_steps": 5', r"is not a configuration of this command \(Input data was truncated\)"),
        (b'{"model": {"name": "\xff"}}', "is not a configuration of this command"),
        (b'{"n_steps": 0}', "n_steps must be at least 1 and batch_size a multiple of 16"),
        (b'{"batch_size": 24}', "n_steps must be at least 1 and batch_size a multiple of 16"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(data)

    with pytest.raises(ConfigError, match=message):
        read_run_config(PretrainConfig, tmp_path / "run.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ways": (1, 5)}, "ways must be 2 or more and shots 1 or more, least first, got (1, 5), (1, 8)"),
        ({"ways": (6, 5)}, "least first, got (6, 5), (1, 8)"),
        ({"shots": (0, 5)}, "least first, got (3, 10), (0, 5)"),
        ({"max_images": 20}, "max_images=20 is below the smallest episode; raise it or lower n_query"),
    ],
)
def test_episodes_that_cannot_be_drawn_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        EpisodeShape(**changes)  # type: ignore[arg-type]


def test_what_the_command_line_does_not_say_stays_as_configured(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"n_steps": 7, "seed": 3}')

    config = read_run_config(PretrainConfig, tmp_path / "run.json", n_steps=None, seed=9)

    assert (config.n_steps, config.seed, config.batch_size) == (7, 9, 128)
