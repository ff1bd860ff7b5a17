"""Both trainings on tiny sets: they learn, they can be stopped, and they refuse what cannot work."""

from __future__ import annotations

import functools
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors.torch import load_file

from hyperflow.checkpoint import load_checkpoint
from hyperflow.datasets.domain_split import DomainSplit
from hyperflow.errors import CheckpointError, DataError, TrainingError
from hyperflow.images.image_set import open_image_set
from hyperflow.images.packed import PackedSet, pack
from hyperflow.images.preprocessing import Preprocessing
from hyperflow.model import HyperFlow, ModelConfig
from hyperflow.training import drift_training, pretraining
from hyperflow.training.calibration import calibrate
from hyperflow.training.drawn_episodes import EpisodeShape, EpisodeSource
from hyperflow.training.drift_training import TrainConfig, TrainPaths, train
from hyperflow.training.loop import LoopOptions
from hyperflow.training.pretraining import PretrainConfig, pretrain
from hyperflow.training.refinement import Refinement, RefinementStage
from hyperflow.training.validation import Validation

SPLIT = DomainSplit(meta_validation=("triangle",), refinement_only=("square",), pretraining_share=0.5)
SHAPE = EpisodeShape(ways=(3, 4), shots=(1, 3), n_query=4, max_images=30)
REFINEMENT = Refinement(learning_rate=3e-3, episodes=SHAPE)
TRAIN = TrainConfig(split=SPLIT, refinement=REFINEMENT, validation=Validation(every=0))


def _steps(n_steps: int, config: TrainConfig = TRAIN, **changes: Any) -> TrainConfig:
    refinement = msgspec.structs.replace(REFINEMENT, n_steps=n_steps)
    return msgspec.structs.replace(config, refinement=refinement, **changes)


Run = Callable[..., Path]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def pretrain_config(tiny_config: ModelConfig) -> PretrainConfig:
    return PretrainConfig(model=tiny_config, split=SPLIT, batch_size=16)


@pytest.fixture(scope="module")
def pretrained(
    pretrain_config: PretrainConfig, shape_sets: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Folder of a run of 100 steps."""
    out = tmp_path_factory.mktemp("pretrained")
    pretrain(msgspec.structs.replace(pretrain_config, n_steps=100), shape_sets, out, cache=cache, quiet=True)
    return out


@pytest.fixture(scope="module")
def trained(pretrained: Path, shape_sets: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run of 60 steps, calibrated."""
    out = tmp_path_factory.mktemp("trained")
    train(_steps(60), TrainPaths(pretrained / "checkpoint", shape_sets, out, cache), device="cpu", quiet=True)
    return out


def _log(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def _packed(shape_sets: Path, cache: Path, name: str) -> PackedSet:
    return pack(open_image_set(shape_sets / name), Preprocessing(32), cache, size_px=36)


def test_pretraining_learns_and_leaves_a_checkpoint_with_an_untrained_drift(pretrained: Path) -> None:
    lines, model = _log(pretrained), load_checkpoint(pretrained / "checkpoint")

    assert [line["step"] for line in lines] == [50, 100]
    assert all(math.isfinite(figure) for line in lines for figure in line.values())
    assert lines[1]["loss"] < lines[0]["loss"]
    assert lines[1]["accuracy"] > lines[0]["accuracy"] > 1 / 4
    theta, _ = model.adapt(torch.rand(6, 16), torch.eye(3).repeat(2, 1), torch.ones(()))
    assert torch.equal(theta, model.backbone.theta_0)
    scales = torch.cat([v for k, v in model.backbone.network.state_dict().items() if k.endswith("scale")])
    assert scales.std() > 0.01  # folded from what BatchNorm has learnt


def test_refinement_moves_the_drift_alone_and_makes_it_useful(pretrained: Path, trained: Path) -> None:
    lines = _log(trained / "refinement")
    start, end = load_checkpoint(pretrained / "checkpoint"), load_checkpoint(trained / "checkpoint")

    assert [line["step"] for line in lines] == [50, 60]
    assert all(math.isfinite(figure) for line in lines for figure in line.values())
    assert lines[1]["accuracy"] > lines[1]["direct"]
    assert lines[1]["change"] > 0
    for name, tensor in end.state_dict().items():
        assert torch.equal(tensor, start.state_dict()[name]) == name.startswith("backbone."), name


def test_calibration_is_written_beside_the_checkpoint_and_into_it(trained: Path) -> None:
    report = json.loads((trained / "calibration.json").read_text())
    device = load_checkpoint(trained / "checkpoint").config.device

    assert report["sets"] == ["triangle"]
    assert report["device"] == msgspec.to_builtins(device, builtin_types=(tuple,)) | {
        "candidates": list(device.candidates), "penalties": list(device.penalties)
    }  # fmt: skip
    assert device.step_size > 0  # the drift helps on shapes that no training saw
    assert device.candidates[0] == 0.0
    assert device.step_size == device.candidates[-1]
    assert device.penalties[0] == 0.0
    best = max(range(6), key=lambda g: report["accuracy"]["1"][g] + report["accuracy"]["5"][g])
    assert report["step_sizes"][best] == device.step_size


def _pretrain_briefly(
    out: Path, config: PretrainConfig, pretrained: Path, shape_sets: Path, cache: Path, **options: Any
) -> Path:
    config = msgspec.structs.replace(config, n_steps=8)
    return pretrain(config, shape_sets, out, cache=cache, device="cpu", quiet=True, **options).path


def _train_briefly(
    out: Path, config: PretrainConfig, pretrained: Path, shape_sets: Path, cache: Path, **options: Any
) -> Path:
    validation = Validation(every=4, episodes=2, n_shot=2)
    brief = _steps(8, split=DomainSplit(meta_validation=("triangle",), pretraining_share=0.5), validation=validation)
    start = pretrained / "checkpoint"
    assert load_checkpoint(start).config.drift.dropout > 0  # whose chance a resumed run must draw alike
    trained = train(brief, TrainPaths(start, shape_sets, out, cache), device="cpu", quiet=True, **options)
    assert trained is not None
    assert json.loads((out / "cost.json").read_text())["cpu_hours"] == trained.cost.cpu_hours > 0
    assert trained.cost.gpu_hours == 0
    return trained.path


@pytest.mark.parametrize(
    ("module", "stepper", "run"),
    [
        (pretraining, pretraining._Trainer, _pretrain_briefly),
        (drift_training, RefinementStage, _train_briefly),
    ],
    ids=["pretrain", "train"],
)
def test_a_run_that_was_stopped_and_resumed_gives_the_weights_of_one_that_was_not(
    module: Any, stepper: Any, run: Run, pretrain_config: PretrainConfig, pretrained: Path, shape_sets: Path,
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run = functools.partial(
        run, config=pretrain_config, pretrained=pretrained, shape_sets=shape_sets, cache=cache
    )  # fmt: skip
    whole = load_checkpoint(run(tmp_path / "whole")).state_dict()
    take_step = stepper.step

    def stopped_at_5(trainer: object, index: int) -> object:
        if index == 5:
            raise KeyboardInterrupt
        return take_step(trainer, index)

    with monkeypatch.context() as patch:
        patch.setattr(module, "LoopOptions", functools.partial(LoopOptions, save_every=3))
        patch.setattr(stepper, "step", stopped_at_5)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "stopped")
    assert not (tmp_path / "stopped" / "checkpoint").exists()
    torch.manual_seed(12345)
    resumed = load_checkpoint(run(tmp_path / "stopped", resume=True)).state_dict()

    assert resumed.keys() == whole.keys()
    for name, tensor in whole.items():
        assert torch.equal(resumed[name], tensor), name


def test_a_finished_drift_can_be_stored_in_half_the_space(
    pretrained: Path, shape_sets: Path, cache: Path, tmp_path: Path
) -> None:
    sizes = {}
    for half in (False, True):
        config = _steps(1, half_storage=half, split=DomainSplit(pretraining_share=0.5))
        paths = TrainPaths(pretrained / "checkpoint", shape_sets, tmp_path / str(half), cache)
        train(config, paths, device="cpu", quiet=True)
        out = paths.out / "checkpoint"
        sizes[half] = sum(tensor.nbytes for tensor in load_file(out / "model.safetensors").values())
        assert load_checkpoint(out).backbone.theta_0.dtype == torch.float32

    assert sizes[False] == 2 * sizes[True]


@pytest.mark.parametrize("run", [_pretrain_briefly, _train_briefly], ids=["pretrain", "train"])
def test_a_used_folder_is_refused_without_resume(
    run: Run, pretrain_config: PretrainConfig, pretrained: Path, trained: Path, shape_sets: Path, cache: Path
) -> None:
    used = pretrained if run is _pretrain_briefly else trained

    with pytest.raises(TrainingError, match="already holds a run; add --resume to go on, or name another folder"):
        run(used, pretrain_config, pretrained, shape_sets, cache)


def test_the_state_of_a_pretraining_cannot_be_resumed_as_a_refinement(
    pretrain_config: PretrainConfig, pretrained: Path, shape_sets: Path, cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "refinement").mkdir()
    shutil.copy(pretrained / "state.safetensors", tmp_path / "refinement")

    with pytest.raises(TrainingError, match=r"state.safetensors is the state of another run"):
        _train_briefly(tmp_path, pretrain_config, pretrained, shape_sets, cache, resume=True)


def test_a_split_that_names_an_absent_set_is_refused_before_training(
    pretrain_config: PretrainConfig, shape_sets: Path, cache: Path, tmp_path: Path
) -> None:
    config = msgspec.structs.replace(pretrain_config, split=DomainSplit(meta_validation=("hexagon",)))

    with pytest.raises(DataError, match="the split names hexagon, but the sets are cross, disc, square, triangle"):
        pretrain(config, shape_sets, tmp_path / "run", cache=cache, quiet=True)

    assert not (tmp_path / "run").exists()


def test_refinement_needs_classes_of_its_own(pretrained: Path, shape_sets: Path, cache: Path, tmp_path: Path) -> None:
    config = msgspec.structs.replace(TRAIN, split=DomainSplit(pretraining_share=1.0))

    with pytest.raises(DataError, match="the split leaves no classes for refinement; lower pretraining_share"):
        train(config, TrainPaths(pretrained / "checkpoint", shape_sets, tmp_path, cache), device="cpu", quiet=True)


def test_refinement_needs_as_many_classes_as_its_smallest_episode(
    pretrained: Path, shape_sets: Path, cache: Path, tmp_path: Path
) -> None:
    config = msgspec.structs.replace(TRAIN, split=DomainSplit(pretraining_share=0.7))  # leaves two of eight

    with pytest.raises(DataError, match=r"has 2 classes for refinement, fewer than ways\[0\]=3"):
        train(config, TrainPaths(pretrained / "checkpoint", shape_sets, tmp_path, cache), device="cpu", quiet=True)


def test_episodes_never_ask_a_set_for_more_images_than_its_classes_hold(shape_sets: Path, cache: Path) -> None:
    domain = _packed(shape_sets, cache, "square")  # 14 images a class
    shape = EpisodeShape(ways=(2, 3), shots=(1, 20), n_query=4, max_images=80)

    source = EpisodeSource([domain], Preprocessing(32), shape, seed=0)

    shots = [int(source.draw(number).labels_onehot.sum(dim=0)[0]) for number in range(60)]
    assert set(shots) == set(range(1, 11))
    with pytest.raises(DataError, match="fewer than 2 classes of 15 images"):
        EpisodeSource([domain], Preprocessing(32), msgspec.structs.replace(shape, n_query=14), seed=0)


def test_refinement_needs_a_checkpoint(shape_sets: Path, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        train(TRAIN, TrainPaths(tmp_path / "none", shape_sets, tmp_path / "run", cache), device="cpu", quiet=True)


def test_calibrating_twice_chooses_the_same(trained: Path, shape_sets: Path, cache: Path, tmp_path: Path) -> None:
    model, domains = load_checkpoint(trained / "checkpoint"), [_packed(shape_sets, cache, "disc")]

    first, again, other = (
        calibrate(model, domains, seed=seed, out=tmp_path, n_episodes=2, quiet=True) for seed in (0, 0, 1)
    )

    assert first == again
    assert first.device != other.device
    assert 0.0 in first.device.candidates
    assert len(first.device.penalties) == len(first.device.candidates)
    assert msgspec.structs.replace(first, device=model.config.device) == model.config


def test_a_drift_that_does_harm_is_switched_off(
    tiny_model: HyperFlow, shape_sets: Path, cache: Path, tmp_path: Path
) -> None:
    tiny_model.field.output_scale = 1e3

    device = calibrate(
        tiny_model, [_packed(shape_sets, cache, "disc")], seed=0, out=tmp_path, n_episodes=3, quiet=True
    ).device

    assert (device.step_size, device.candidates, device.penalties) == (0.0, (0.0,), (0.0,))


def test_calibration_refuses_a_set_with_too_few_classes(
    tiny_model: HyperFlow, shape_sets: Path, cache: Path, tmp_path: Path
) -> None:
    domain = _packed(shape_sets, cache, "disc").of_classes(torch.arange(6).numpy())

    with pytest.raises(DataError, match="7-way 1-shot with 8 queries needs 7 classes of 9 images, but only 6 of 6"):
        calibrate(tiny_model, [domain], seed=0, out=tmp_path, n_episodes=1, quiet=True)

    assert not (tmp_path / "calibration.json").exists()
