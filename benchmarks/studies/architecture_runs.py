"""The candidates of the architectures study: pretraining, refining and evaluating those that are not done yet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from study import Study

from hyperflow.backbones.conv import ConvConfig
from hyperflow.checkpoint import load_checkpoint
from hyperflow.commands.run_config import read_run_config
from hyperflow.datasets.opening import open_datasets
from hyperflow.errors import ConfigError, DataError, TrainingError
from hyperflow.evaluation.evaluation_files import write_whole
from hyperflow.evaluation.journal import run_digest
from hyperflow.evaluation.results import Evaluation
from hyperflow.evaluation.subjects import subject_digest
from hyperflow.images.image_set import ImageSet
from hyperflow.training.cost import COST_NAME, TrainingCost
from hyperflow.training.drift_training import STAGES, TrainConfig, TrainPaths, train
from hyperflow.training.loop import STATE_NAME
from hyperflow.training.pretraining import PretrainConfig, pretrain
from hyperflow.training.refinement import Refinement
from hyperflow.trajectories.whole_file import replace_file

__all__ = ["Candidate", "Places", "Recipe", "TrainedCandidate", "evaluated", "meta_validation_sets", "read_candidates",
           "read_recipe", "train_candidate"]  # fmt: skip


class Candidate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One architecture.

    Attributes:
        name: In the table and the picture.
        widths: Channels of each stage, see `ConvConfig`.
        feature_width: Channels of the last 1x1 convolution; 0 for none.
        size_px: Side of the input images.

    Raises:
        ConfigError: No name, or a network that cannot be.
    """

    name: str
    widths: tuple[int, ...]
    feature_width: int = 0
    size_px: int = 64

    def __post_init__(self) -> None:
        if not self.folder_name or self.size_px < 16:
            raise ConfigError(f"a candidate needs a name with a letter or digit and at least 16 px, got {self}")
        _ = self.backbone

    @property
    def folder_name(self) -> str:
        """Name of its folder in the study's."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    @property
    def backbone(self) -> ConvConfig:
        """Network to build."""
        return ConvConfig(widths=self.widths, feature_width=self.feature_width)


@dataclass(frozen=True)
class Places:
    """Where everything lies.

    Attributes:
        data: Training image sets, the meta-validation sets among them.
        out: A folder for each candidate.
        cache: Folder for packed images.
    """

    data: Path
    out: Path
    cache: Path


@dataclass(frozen=True)
class Recipe:
    """How every candidate is trained.

    Attributes:
        pretraining: All but the backbone and the size of its images.
        drift: Refinement after it; None leaves it out, and only direct transfer is measured.
    """

    pretraining: PretrainConfig
    drift: TrainConfig | None


class TrainedCandidate(msgspec.Struct, frozen=True):
    """A candidate that is trained.

    Attributes:
        checkpoint: Where it is.
        cpu_hours: Processor time of its pretraining and its refinement.
    """

    checkpoint: Path
    cpu_hours: float


def read_candidates(path: Path) -> tuple[Candidate, ...]:
    """Read the candidates.

    Args:
        path: JSON file, a list of `Candidate`.

    Raises:
        ConfigError: Not readable, none, or two of one folder.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=tuple[Candidate, ...])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no list of candidates ({error})") from error
    folders = [candidate.folder_name for candidate in found]
    if not found or len(set(folders)) < len(folders):
        raise ConfigError(f"{path} must hold one or more candidates of different names, got {', '.join(folders)}")
    return found


def read_recipe(
    pretrain_config: Path, train_config: Path | None, *, n_steps: int | None, refine_steps: int, seed: int
) -> Recipe:
    """Read how candidates are trained.

    Args:
        pretrain_config: What `hyperflow pretrain --config` takes.
        train_config: What `hyperflow train --config` takes; the defaults when None.
        n_steps: Steps of pretraining instead of the configuration's.
        refine_steps: Steps of refinement; 0 leaves it out.
        seed: Of both.

    Raises:
        ConfigError: A configuration that cannot work, no meta-validation set, or two different splits.
    """
    pretraining = read_run_config(PretrainConfig, pretrain_config, n_steps=n_steps, seed=seed)
    if not pretraining.split.meta_validation:
        raise ConfigError(f"{pretrain_config} names no meta_validation sets to measure candidates on")
    if not refine_steps:
        return Recipe(pretraining, None)
    drift = read_run_config(TrainConfig, train_config, seed=seed)
    if train_config is not None and drift.split != pretraining.split:
        raise ConfigError(f"{train_config} and {pretrain_config} have different splits; give them the same")
    refinement = msgspec.structs.replace(drift.refinement or Refinement(), n_steps=refine_steps)
    drift = msgspec.structs.replace(drift, split=pretraining.split, flow_matching=None, refinement=refinement)
    return Recipe(pretraining, drift)


def _pretraining_of(candidate: Candidate, recipe: Recipe) -> PretrainConfig:
    replace, model = msgspec.structs.replace, recipe.pretraining.model
    preprocessing = replace(model.preprocessing, size_px=candidate.size_px)
    own = replace(model, name=candidate.folder_name, backbone=candidate.backbone, preprocessing=preprocessing)
    return replace(recipe.pretraining, model=own)


def train_candidate(candidate: Candidate, recipe: Recipe, places: Places, *, quiet: bool) -> TrainedCandidate:
    """Pretrain and refine one candidate; what is finished is kept, what was interrupted is gone on with.

    Args:
        candidate: Which.
        recipe: How.
        places: Where.
        quiet: Show no progress bar.

    Raises:
        TrainingError: The folder holds another candidate or recipe, or the training cannot go on.
    """
    folder, config = places.out / candidate.folder_name, _pretraining_of(candidate, recipe)
    asked = msgspec.json.format(msgspec.json.encode({"pretraining": config, "drift": recipe.drift}), indent=2)
    described = folder / "run.json"
    if described.exists() and described.read_bytes() != asked:
        raise TrainingError(f"{folder} holds another candidate or recipe; name another --out or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(described, asked)
    first, second = folder / "pretraining", folder / "drift"
    if not (first / COST_NAME).exists():  # what a training writes last
        resume = (first / STATE_NAME).exists()
        pretrain(config, places.data, first, cache=places.cache, resume=resume, quiet=quiet)
    if recipe.drift is None:
        return TrainedCandidate(first / "checkpoint", _cpu_hours(first))
    if not (second / COST_NAME).exists():
        paths = TrainPaths(first / "checkpoint", places.data, second, places.cache)
        resume = any((second / stage / STATE_NAME).exists() for stage in STAGES)
        train(recipe.drift, paths, device="cpu", resume=resume, quiet=quiet)
    return TrainedCandidate(second / "checkpoint", _cpu_hours(first) + _cpu_hours(second))


def _cpu_hours(folder: Path) -> float:
    return msgspec.json.decode((folder / COST_NAME).read_bytes(), type=TrainingCost).cpu_hours


def meta_validation_sets(study: Study, recipe: Recipe) -> list[ImageSet]:
    """Open the sets on which candidates are measured, and try each.

    Raises:
        DataError: A set is missing, or too small for the episodes.
    """
    from study_episodes import protocol_of

    by_name = {one.name: one for one in open_datasets(study.data)}
    wanted = recipe.pretraining.split.meta_validation
    if missing := [name for name in wanted if name not in by_name]:
        raise DataError(f"{study.data} has no set {', '.join(missing)}, which the configuration measures candidates on")
    for name in wanted:
        protocol_of(study).draw(by_name[name], 0)
    return [by_name[name] for name in wanted]


def evaluated(
    candidate: Candidate, checkpoint: Path, study: Study, sets: Sequence[ImageSet], methods: tuple[str, ...]
) -> Evaluation:
    """Evaluate one candidate; a result of the same checkpoint, sets and episodes is kept.

    Args:
        candidate: Which.
        checkpoint: Its weights.
        study: Which episodes.
        sets: Where from.
        methods: Which answer.
    """
    from study_episodes import config_of, evaluate_all

    config = config_of(study, methods)
    kept = checkpoint.parent / f"evaluation-{run_digest(subject_digest(checkpoint), config, sets)[:16]}.json"
    if not kept.exists():
        model = load_checkpoint(checkpoint)
        evaluation, *_ = evaluate_all([(candidate.name, model, config, sets)], quiet=study.quiet)
        write_whole(kept, msgspec.json.encode(evaluation))
    return msgspec.json.decode(kept.read_bytes(), type=Evaluation)
