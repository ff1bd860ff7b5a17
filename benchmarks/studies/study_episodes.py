"""The episodes of a study: the same for everything that is compared, drawn by the package's own protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from study import Study, progress_bar
from torch.nn import functional

from hyperflow.datasets.opening import open_datasets
from hyperflow.episodes.fixed import FixedProtocol
from hyperflow.episodes.sampling import Episode, episode_rng
from hyperflow.evaluation.checkpoint_subject import CheckpointSubject
from hyperflow.evaluation.config import EvaluationConfig
from hyperflow.evaluation.evaluating import evaluate
from hyperflow.evaluation.frame_cache import FrameCache
from hyperflow.evaluation.image_batches import ImageBatches
from hyperflow.evaluation.methods import Task
from hyperflow.evaluation.progress import EvaluationProgress
from hyperflow.evaluation.recipes import Recipes
from hyperflow.evaluation.results import Evaluation
from hyperflow.images.image_set import ImageSet
from hyperflow.model import HyperFlow
from hyperflow.teacher.descent import TaskBatch

__all__ = ["batch_of", "config_of", "draw_tasks", "evaluate_all", "evaluated_sets", "has_room", "protocol_of"]


def protocol_of(study: Study) -> FixedProtocol:
    """Rule that draws a study's episodes."""
    return FixedProtocol(study.n_way, study.n_shot, study.n_query, seed=study.seed, n_episodes=study.episodes)


def config_of(study: Study, methods: tuple[str, ...], *, recipes: Recipes | None = None, costs: bool = False,
              n_way: int | None = None, n_shot: int | None = None) -> EvaluationConfig:  # fmt: skip
    """Configuration of an evaluation on a study's episodes.

    Args:
        study: Whose.
        methods: Which answer.
        recipes: Of the methods with gradients; the package's own when None.
        costs: Also measure memory and multiply-accumulates.
        n_way: Instead of the study's.
        n_shot: Instead of the study's.
    """
    return EvaluationConfig(
        n_way=n_way or study.n_way,
        n_shot=n_shot or study.n_shot,
        n_query=study.n_query,
        episodes=study.episodes,
        seed=study.seed,
        methods=methods,
        recipes=recipes or Recipes(),
        costs=costs,
    )


def has_room(image_set: ImageSet, protocol: FixedProtocol) -> bool:
    """Tell whether a set has enough classes of enough images."""
    large_enough = [size for size in image_set.class_sizes if size >= protocol.n_shot + protocol.n_query]
    return len(large_enough) >= protocol.n_way


def evaluated_sets(study: Study) -> list[ImageSet]:
    """Open the sets of a study and try each, so that one that is too small is refused before the work.

    Raises:
        DataError: No set, or one that is too small for the episodes.
    """
    sets = open_datasets(study.data)
    for image_set in sets:
        protocol_of(study).draw(image_set, 0)
    return sets


def draw_tasks(
    study: Study, sets: Sequence[ImageSet], subject: CheckpointSubject
) -> Iterator[tuple[ImageSet, Episode, Task]]:
    """Draw every episode of every set, with its images, behind a progress bar.

    Args:
        study: Which episodes.
        sets: Where from.
        subject: Makes the frames.
    """
    protocol, cache = protocol_of(study), FrameCache(subject.frame)
    with progress_bar(quiet=study.quiet) as progress:
        bar = progress.add_task("episodes", total=len(sets) * study.episodes, rate="")
        for image_set in sets:
            for index in range(study.episodes):
                episode = protocol.draw(image_set, index)
                support, queries = (
                    tuple(cache.frame_of(image_set, image_set.member(int(row))) for row in rows)
                    for rows in (episode.support_rows, episode.query_rows)
                )
                seed = int(episode_rng(study.seed, f"{image_set.name} methods", index).integers(2**31))
                yield image_set, episode, Task(support, episode.support_labels, queries, study.n_way, seed)
                speed = progress.tasks[bar].speed
                progress.update(bar, advance=1, rate=f"{speed:.2f}/s" if speed else "", description=image_set.name)


def batch_of(model: HyperFlow, episode: Episode, task: Task) -> TaskBatch:
    """Preprocessed images and labels of a task."""
    images = ImageBatches([*task.support, *task.queries], model.config.preprocessing).whole()
    onehot = functional.one_hot(torch.from_numpy(task.labels), task.n_way).float()
    return TaskBatch(images, onehot, torch.from_numpy(episode.query_labels))


def evaluate_all(
    subjects: Sequence[tuple[str, HyperFlow, EvaluationConfig, Sequence[ImageSet]]], *, quiet: bool
) -> list[Evaluation]:
    """Evaluate several models, or one in several ways, behind one progress bar.

    Args:
        subjects: Name, model, configuration and sets of each evaluation, all with as many episodes a set.
        quiet: Show no progress bar.

    Raises:
        DataError: As `hyperflow.evaluation.evaluating.evaluate` says.
    """
    n_all = sum(config.episodes * len(sets) for _, _, config, sets in subjects)
    n_per_set = subjects[0][2].episodes if subjects else 1
    with EvaluationProgress(n_all, 0, n_per_set=n_per_set, quiet=quiet) as progress:
        return [
            evaluate(CheckpointSubject(model, config.recipes), name, sets, config, on_episode=progress.add)[0]
            for name, model, config, sets in subjects
        ]
