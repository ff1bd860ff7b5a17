"""Training of a drift network: flow matching on stored trajectories, refinement through episodes, or both in turn.

Whatever the stages, the weights that are kept are those that gained most on meta-validation sets, and step size, guard
and thresholds are chosen there too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import torch

from hyperflow.checkpoint import load_checkpoint, save_checkpoint
from hyperflow.datasets.domain_split import DomainSplit, SplitDomains
from hyperflow.datasets.packing import PACKED_SCALE, pack_domains
from hyperflow.datasets.split import Split
from hyperflow.errors import ConfigError, DataError, TrainingError
from hyperflow.training.calibration import calibrate
from hyperflow.training.cost import Spent, Trained, write_cost
from hyperflow.training.curves import draw_curves, read_log
from hyperflow.training.drift_weights import DriftWeights
from hyperflow.training.flow_matching import FlowMatching, FlowMatchingStage
from hyperflow.training.loop import LOG_NAME, STATE_NAME, LoopOptions, run_loop
from hyperflow.training.refinement import Refinement, RefinementStage
from hyperflow.training.validation import Validation, gen_accuracies
from hyperflow.training.workers import Workers, join_workers
from hyperflow.trajectories.store import open_trajectories

__all__ = ["STAGES", "TrainConfig", "TrainPaths", "train"]

STAGES = ("flow_matching", "refinement")
"""Stages in their order; each has a folder of this name in the run."""

Recon = Callable[[], float | None]


class TrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A training of a drift network.

    Attributes:
        split: Which sets and classes the episodes are drawn from; the same as in pretraining.
        flow_matching: First stage, on stored trajectories; None leaves it out.
        refinement: Second stage, on episodes; None leaves it out.
        validation: How often the drift is tried on the meta-validation sets.
        weight_decay: Decoupled decay of the drift network's weights.
        average_decay: Decay of the moving average of weights that is validated and saved, in [0, 1).
        bf16: Run the backbone in bfloat16.
        half_storage: Store the finished checkpoint as fp16, in half the space.
        seed: Seed of everything random.

    Raises:
        ConfigError: No stage.
    """

    split: DomainSplit = msgspec.field(default_factory=DomainSplit)
    flow_matching: FlowMatching | None = None
    refinement: Refinement | None = msgspec.field(default_factory=Refinement)
    validation: Validation = msgspec.field(default_factory=Validation)
    weight_decay: float = 0.01
    average_decay: float = 0.998
    bf16: bool = False
    half_storage: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.flow_matching is None and self.refinement is None:
            raise ConfigError("flow_matching and refinement are both left out; configure at least one stage")
        if not 0.0 <= self.average_decay < 1.0 or self.weight_decay < 0 or self.seed < 0:
            raise ConfigError(
                "average_decay must be in [0, 1), weight_decay and seed 0 or more, "
                f"got {self.average_decay}, {self.weight_decay}, {self.seed}"
            )


@dataclass(frozen=True)
class TrainPaths:
    """Where a training reads and writes.

    Attributes:
        checkpoint: Model whose drift is where training starts.
        data: Image sets in any layout of `hyperflow.datasets`.
        out: Folder of the run: a folder a stage with log and state, curves, and at the end `checkpoint/`.
        cache: Folder for packed images.
        trajectories: Store written by `hyperflow simulate`; only flow matching needs it.
        split: Classes to take, of datasets that are divided; None takes all.
        backbone: File with the backbone's weights, for a checkpoint that lacks them; the trained one has them all.
    """

    checkpoint: Path
    data: Path
    out: Path
    cache: Path
    trajectories: Path | None = None
    split: Split | None = None
    backbone: Path | None = None


class _Stage(Protocol):
    def step(self, index: int) -> Mapping[str, float]: ...


class _Training:
    """The stages of one run, one after the other, on the same weights."""

    def __init__(self, config: TrainConfig, paths: TrainPaths, workers: Workers, *, resume: bool, quiet: bool) -> None:
        self._config, self._paths, self._workers = config, paths, workers
        self._resume, self._quiet = resume, quiet
        self.spent = Spent()
        model = load_checkpoint(paths.checkpoint, backbone=paths.backbone)
        rule = model.config.preprocessing
        size_px = round(rule.size_px * PACKED_SCALE)
        domains = pack_domains(paths.data, rule, paths.cache, size_px=size_px, split=paths.split, quiet=quiet)
        self.parts: SplitDomains = config.split.apply(domains)
        if not self.parts.refinement:
            raise DataError(
                "the split leaves no classes for refinement; lower pretraining_share or name refinement_only sets"
            )
        model.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        torch.manual_seed(config.seed)
        self.weights = DriftWeights(
            model.to(workers.device), workers, weight_decay=config.weight_decay, average_decay=config.average_decay
        )

    def flow_matching(self, config: FlowMatching) -> None:
        if self._paths.trajectories is None:
            raise ConfigError("flow matching needs trajectories; make them with hyperflow simulate and name them")
        store = open_trajectories(self._paths.trajectories, self.weights.model)
        stage = FlowMatchingStage(
            self.weights, self.parts.refinement, store, config, self._workers, seed=self._config.seed
        )
        self._run("flow_matching", stage, config.n_steps, recon=stage.recon_error)

    def refinement(self, config: Refinement) -> None:
        run = self._config
        stage = RefinementStage(
            self.weights, self.parts.refinement, config, self._workers, seed=run.seed, bf16=run.bf16
        )
        self._run("refinement", stage, config.n_steps)

    def _validate(self, recon: Recon | None) -> tuple[dict[str, float], bool]:
        """Figures of the averaged weights, and whether patience has run out; the first worker decides for all."""
        figures: dict[str, float] = {}
        config = self._config.validation
        with self.weights.use_average() as model:
            if self._workers.is_first:
                direct, adapted = gen_accuracies(model, self.parts.meta_validation, config, seed=self._config.seed)
                figures = {"gen": adapted, "gen_direct": direct}
                if recon is not None and (error := recon()) is not None:
                    figures["recon_error"] = error
        self.weights.note(self._workers.agree(figures.get("gen", 0.0)))
        return figures, self.weights.n_since_best >= config.patience

    def _run(self, name: str, stage: _Stage, n_steps: int, recon: Recon | None = None) -> None:
        folder, validation = self._paths.out / name, self._config.validation
        options = LoopOptions(
            folder,
            n_steps,
            resume=self._resume and (folder / STATE_NAME).exists(),
            validate_every=validation.every if self.parts.meta_validation else 0,
            quiet=self._quiet,
            writes=self._workers.is_first,
            name=name,
        )
        self.spent += run_loop(
            options,
            step=stage.step,
            state=self.weights.state,
            restore=self.weights.restore,
            validate=lambda: self._validate(recon),
        )
        self.weights.end_stage()


def train(
    config: TrainConfig, paths: TrainPaths, *, device: str = "auto", resume: bool = False, quiet: bool = False
) -> Trained | None:
    """Train the drift network of a checkpoint, then choose step size, guard and calibration by meta-validation.

    Args:
        config: The run.
        paths: Where it reads and writes.
        device: `auto`, `cpu` or `cuda`. Under `torchrun` every worker takes its own.
        resume: Go on from the state in `paths.out`.
        quiet: Show no progress bar.

    Returns:
        Where the trained checkpoint is and what it cost; None in a worker that is not the first.

    Raises:
        CheckpointError: The start cannot be read.
        DataError: Too few images or classes.
        TrainingError: The run cannot start, resume or go on.
    """
    workers = join_workers(device)
    try:
        training = _Training(config, paths, workers, resume=resume, quiet=quiet)
        if resume and not any((paths.out / name / STATE_NAME).exists() for name in STAGES):
            raise TrainingError(f"cannot resume: {paths.out} holds no state of a run; start again without --resume")
        if config.flow_matching is not None:
            training.flow_matching(config.flow_matching)
        if config.refinement is not None:
            training.refinement(config.refinement)
        return _finish(training, config, paths, workers, quiet=quiet) if workers.is_first else None
    finally:
        workers.leave()


def _finish(training: _Training, config: TrainConfig, paths: TrainPaths, workers: Workers, *, quiet: bool) -> Trained:
    """Calibrate, draw the curves, save, and say what it cost."""
    trained = training.weights.model.cpu().eval()
    if training.parts.meta_validation:
        trained.config = calibrate(
            trained, training.parts.meta_validation, seed=config.seed, out=paths.out, quiet=quiet,
            n_episodes=config.validation.calibration_episodes,
        )  # fmt: skip
    draw_curves({name: read_log(paths.out / name / LOG_NAME) for name in STAGES}, paths.out)
    save_checkpoint(trained, paths.out / "checkpoint", half=config.half_storage)
    cost = write_cost(paths.out, training.spent, n_workers=workers.size, on_gpu=workers.device.type == "cuda")
    return Trained(paths.out / "checkpoint", cost)
