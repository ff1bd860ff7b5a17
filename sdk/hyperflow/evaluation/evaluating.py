"""The evaluation itself: replayable episodes from every set, answered by every method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hyperflow.episodes.sampling import Episode
from hyperflow.errors import ConfigError, DataError
from hyperflow.evaluation.checkpoint_subject import CheckpointSubject
from hyperflow.evaluation.config import EvaluationConfig
from hyperflow.evaluation.costs import measure_costs
from hyperflow.evaluation.journal import Journal
from hyperflow.evaluation.methods import Task
from hyperflow.evaluation.records import CostRecord, CurveRecord, EpisodeRecord, record_of, right_share
from hyperflow.evaluation.results import Evaluation, sum_up
from hyperflow.evaluation.subjects import Subject
from hyperflow.evaluation.task_drawing import TaskDrawer
from hyperflow.images.image_set import ImageSet

__all__ = ["Records", "answer_episodes", "evaluate"]

Records = dict[str, list[EpisodeRecord]]


def _curves(subject: CheckpointSubject, task: Task, episode: Episode) -> CurveRecord:
    step_sizes = subject.curve_step_sizes
    after, under = (
        [None if labels is None else right_share(labels, episode) for labels in line]
        for line in subject.answers_along(task, step_sizes)
    )
    return CurveRecord(tuple(enumerate(after)), tuple(zip(step_sizes, under, strict=True)))


def _answered(
    subject: Subject, config: EvaluationConfig, drawer: TaskDrawer, image_set: ImageSet, index: int
) -> EpisodeRecord:
    episode, task = drawer.draw(image_set, index)
    try:
        answers = subject.answer(task, config.methods_at(index))
        curves = _curves(subject, task, episode) if config.curves and isinstance(subject, CheckpointSubject) else None
    except DataError as error:
        raise DataError(f"{image_set.name}, episode {index}: {error}") from error
    records = {method: record_of(answer, episode) for method, answer in answers.items()}
    return EpisodeRecord(image_set.name, index, task.n_way, len(task.support), records, curves)


def _check(subject: Subject, config: EvaluationConfig) -> None:
    if missing := [method for method in config.methods if method not in subject.methods]:
        raise ConfigError(
            f"a bundle answers {', '.join(subject.methods)}, but not {', '.join(missing)}, which needs gradients; "
            "evaluate the checkpoint that it was exported from"
        )
    if config.curves and not isinstance(subject, CheckpointSubject):
        raise ConfigError("curves need a checkpoint: a bundle gives no theta between two Euler steps")


def _costs(subject: Subject, config: EvaluationConfig, drawer: TaskDrawer, image_set: ImageSet) -> CostRecord:
    _, task = drawer.draw(image_set, 0)
    return CostRecord(image_set.name, task.n_way, len(task.support), measure_costs(subject, task, config.methods_at(0)))


def answer_episodes(
    subject: Subject, sets: Sequence[ImageSet], config: EvaluationConfig, journal: Journal | None = None
) -> Iterator[EpisodeRecord | CostRecord]:
    """Measure costs once, if asked to, then answer every episode; what the journal holds is not answered again.

    Args:
        subject: Checkpoint or bundle.
        sets: Where the episodes come from.
        config: Which episodes and methods.
        journal: Keeps every record as it comes.

    Raises:
        ConfigError: The subject cannot answer by one of the methods.
        DataError: A set has too few classes or images, an image cannot be decoded, or a result is not finite.
    """
    _check(subject, config)
    drawer = TaskDrawer(subject, config)
    for image_set in sets:
        drawer.check(image_set)

    def kept(record: EpisodeRecord | CostRecord) -> EpisodeRecord | CostRecord:
        if journal is not None:
            journal.add(record)
        return record

    known = journal.episodes if journal is not None else {}
    costs = journal.costs if journal is not None else None
    if config.costs:
        yield costs or kept(_costs(subject, config, drawer, sets[0]))
    for image_set in sets:
        if any((image_set.name, index) not in known for index in range(config.episodes)):
            drawer.encode_queries(image_set)
        for index in range(config.episodes):
            done = known.get((image_set.name, index))
            yield done or kept(_answered(subject, config, drawer, image_set, index))


def evaluate(
    subject: Subject,
    name: str,
    sets: Sequence[ImageSet],
    config: EvaluationConfig,
    *,
    journal: Journal | None = None,
    on_episode: Callable[[EpisodeRecord], None] | None = None,
) -> tuple[Evaluation, Records]:
    """Answer the same episodes by every method and sum up.

    Args:
        subject: Checkpoint or bundle.
        name: What to call it in the result.
        sets: Where the episodes come from.
        config: Which episodes and methods.
        journal: Keeps every record as it comes; what it holds is not done again.
        on_episode: Told every episode, those of the journal included.

    Returns:
        The result, and the records of each set that it sums up.

    Raises:
        ConfigError: The subject cannot answer by one of the methods.
        DataError: A set has too few classes or images, an image cannot be decoded, or a result is not finite.
    """
    records: Records = {image_set.name: [] for image_set in sets}
    costs: CostRecord | None = None
    for record in answer_episodes(subject, sets, config, journal):
        if isinstance(record, CostRecord):
            costs = record
            continue
        records[record.set].append(record)
        if on_episode is not None:
            on_episode(record)
    return sum_up(name, config, records, costs), records
