"""A backbone learns from another one: without labels, beside labels, and from where an earlier run ended."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import torch
from torch import nn

from hyperflow.backbones.conv import ConvConfig
from hyperflow.datasets.domain_split import DomainSplit
from hyperflow.errors import CheckpointError, ConfigError, DataError, TrainingError
from hyperflow.model import ModelConfig
from hyperflow.training.distillation import Distillation, DistillationLoss, fused_for_inference
from hyperflow.training.pretraining import PretrainConfig, pretrain

SPLIT = DomainSplit(meta_validation=("triangle",), refinement_only=("square",), pretraining_share=0.5)
TEACHER = Distillation("conv:8,12", size_px=24)


@pytest.fixture(scope="module")
def config(tiny_config: ModelConfig) -> PretrainConfig:
    wide = msgspec.structs.replace(tiny_config, backbone=ConvConfig((8, 16), feature_width=24))
    return PretrainConfig(model=wide, split=SPLIT, batch_size=16, n_steps=60, label_weight=0.0, distillation=TEACHER)


@pytest.fixture(scope="module")
def distilled(
    config: PretrainConfig, shape_sets: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:  # fmt: skip
    out = tmp_path_factory.mktemp("distilled")
    pretrain(config, shape_sets, out, cache=cache, device="cpu", quiet=True)
    return out


def _log(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_a_student_comes_nearer_to_its_teacher_without_a_label(distilled: Path) -> None:
    lines = _log(distilled)

    assert lines[-1]["distance"] < lines[0]["distance"] < 1.1
    assert all("accuracy" not in line for line in lines)


def test_the_teacher_is_no_part_of_what_is_stored(distilled: Path) -> None:
    state = (distilled / "state.safetensors").stat().st_size

    assert state < 300e3  # three copies of a network of 8,000 weights, and no fourth network


def test_labels_and_teacher_can_teach_together(
    config: PretrainConfig, shape_sets: Path, cache: Path, tmp_path: Path
) -> None:
    both = msgspec.structs.replace(config, label_weight=1.0, n_steps=4)

    pretrain(both, shape_sets, tmp_path / "run", cache=cache, device="cpu", quiet=True)

    assert {"accuracy", "distance", "loss"} <= set(_log(tmp_path / "run")[-1])


def test_a_teacher_also_shows_the_classes_whose_labels_are_kept_for_refinement(
    config: PretrainConfig, shape_sets: Path, cache: Path, tmp_path: Path
) -> None:
    nothing_labelled = DomainSplit(meta_validation=("triangle",), pretraining_share=0.0)

    unlabelled = msgspec.structs.replace(config, split=nothing_labelled, n_steps=2)
    pretrain(unlabelled, shape_sets, tmp_path / "run", cache=cache, device="cpu", quiet=True)

    alone = msgspec.structs.replace(unlabelled, label_weight=1.0, distillation=None)
    with pytest.raises(DataError, match="no set is left for pretraining"):
        pretrain(alone, shape_sets, tmp_path / "other", cache=cache, device="cpu", quiet=True)


def test_a_finished_model_teaches_a_smaller_one(
    config: PretrainConfig, distilled: Path, shape_sets: Path, cache: Path, tmp_path: Path
) -> None:
    from_model = msgspec.structs.replace(config, distillation=Distillation(f"checkpoint:{distilled / 'checkpoint'}"))

    pretrain(from_model, shape_sets, tmp_path / "run", cache=cache, device="cpu", quiet=True)

    lines = _log(tmp_path / "run")
    assert lines[-1]["distance"] < lines[0]["distance"] < 1.1


def test_a_teacher_that_is_not_there_is_refused(
    config: PretrainConfig, shape_sets: Path, cache: Path, tmp_path: Path
) -> None:
    nobody = msgspec.structs.replace(config, distillation=Distillation(f"checkpoint:{tmp_path / 'none'}"))

    with pytest.raises(CheckpointError, match="no checkpoint at"):
        pretrain(nobody, shape_sets, tmp_path / "run", cache=cache, device="cpu", quiet=True)


def test_a_run_goes_on_from_the_network_of_an_earlier_one_at_another_size(
    config: PretrainConfig, distilled: Path, shape_sets: Path, cache: Path, tmp_path: Path
) -> None:
    larger = msgspec.structs.replace(config.model.preprocessing, size_px=40)
    next_stage = msgspec.structs.replace(
        config, model=msgspec.structs.replace(config.model, preprocessing=larger), n_steps=2
    )

    pretrain(next_stage, shape_sets, tmp_path / "on", cache=cache, start=distilled, device="cpu", quiet=True)
    pretrain(next_stage, shape_sets, tmp_path / "fresh", cache=cache, device="cpu", quiet=True)

    assert _log(tmp_path / "on")[-1]["distance"] != _log(tmp_path / "fresh")[-1]["distance"]


def test_a_start_of_another_shape_or_none_at_all_is_refused(
    config: PretrainConfig, distilled: Path, shape_sets: Path, cache: Path, tmp_path: Path
) -> None:
    narrow = msgspec.structs.replace(config.model, backbone=ConvConfig((8, 8)))
    other = msgspec.structs.replace(config, model=narrow, n_steps=2)

    with pytest.raises(TrainingError, match="does not fit; name a pretraining of the same backbone"):
        pretrain(other, shape_sets, tmp_path / "run", cache=cache, start=distilled, device="cpu", quiet=True)
    with pytest.raises(TrainingError, match="cannot resume from"):
        pretrain(config, shape_sets, tmp_path / "run", cache=cache, start=tmp_path, device="cpu", quiet=True)


def test_a_network_computes_the_same_with_its_norms_merged() -> None:
    network = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)), nn.ReLU(), nn.Conv2d(4, 5, 1)
    )
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        nn.init.uniform_(norm.running_mean)
        nn.init.uniform_(norm.weight)
    images = torch.rand(2, 3, 8, 8)

    fused = fused_for_inference(network.eval())

    torch.testing.assert_close(fused(images), network(images))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fused.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def test_what_every_image_shares_does_not_count(config: PretrainConfig) -> None:
    loss = DistillationLoss(TEACHER, 24, bf16=False)
    views = torch.rand(8, 3, 32, 32)
    loss.standardise(lambda index: torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(index)))

    standardised = (loss._targets(views) - loss.mean) / loss.deviation

    assert standardised.mean().abs() < 0.5 * loss._targets(views).mean() / loss.deviation.mean()
    assert loss(torch.rand(8, 24), views).item() == pytest.approx(1, abs=0.7)


@pytest.mark.parametrize(
    ("label_weight", "distillation"), [(0.0, None), (-1.0, TEACHER)], ids=["nothing to learn from", "negative"]
)
def test_a_pretraining_needs_something_to_learn_from(label_weight: float, distillation: Distillation | None) -> None:
    with pytest.raises(ConfigError, match="label_weight must be above 0"):
        PretrainConfig(label_weight=label_weight, distillation=distillation)


@pytest.mark.parametrize("changes", [{"teacher": ""}, {"weight": 0.0}, {"size_px": 8}])
def test_a_distillation_that_cannot_work_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="needs a teacher"):
        Distillation(**{"teacher": "conv", **changes})  # type: ignore[arg-type]
