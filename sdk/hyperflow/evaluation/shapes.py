"""Several sizes of episodes in one evaluation, such as `5x1,5x5,10x5`; a set too small for one of them is left out."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from hyperflow.errors import ConfigError, DataError
from hyperflow.evaluation.config import EvaluationConfig, episode_protocol
from hyperflow.evaluation.results import Evaluation, SetResult
from hyperflow.evaluation.trust_results import CalibrationResult, DetectionResult
from hyperflow.images.image_set import ImageSet

__all__ = ["Shape", "ShapeResult", "ShapesOverview", "overview_of", "shapes_of", "sorted_out"]


class Shape(msgspec.Struct, frozen=True):
    """Size of an episode of the fixed protocol; its text is `5x1` for 5-way 1-shot.

    Attributes:
        n_way: Classes, 2 or more.
        n_shot: Support images a class, 1 or more.
    """

    n_way: int
    n_shot: int

    def __str__(self) -> str:
        return f"{self.n_way}x{self.n_shot}"

    def of(self, config: EvaluationConfig) -> EvaluationConfig:
        """The same evaluation with episodes of this size."""
        return msgspec.structs.replace(config, n_way=self.n_way, n_shot=self.n_shot)


class ShapeResult(msgspec.Struct, frozen=True):
    """Means over sets of one shape.

    Attributes:
        file: Name of the file with the whole evaluation, in the same folder; None where every set was left out.
        mean: Accuracies and gains; None likewise.
        calibration: By method.
        detection: By method; empty when not asked for.
        skipped: Sets that were left out, and why.
    """

    file: str | None
    mean: SetResult | None
    calibration: dict[str, CalibrationResult]
    detection: dict[str, DetectionResult]
    skipped: dict[str, str]


class ShapesOverview(msgspec.Struct, frozen=True):
    """What `hyperflow evaluate --shapes` writes beside the file of each shape.

    Attributes:
        subject: What was evaluated.
        shapes: By their texts, in the order that they were asked for.
    """

    subject: str
    shapes: dict[str, ShapeResult]


def shapes_of(text: str) -> tuple[Shape, ...]:
    """Read shapes, separated by commas: `5x1,5x5,10x5` is 5-way 1-shot, 5-way 5-shot and 10-way 5-shot.

    Raises:
        ConfigError: A part is no shape, too small, or there twice.
    """
    shapes = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,6})x(\d{1,6})", part.strip())
        shape = Shape(int(match[1]), int(match[2])) if match else Shape(0, 0)
        if shape.n_way < 2 or shape.n_shot < 1:
            raise ConfigError(f"a shape is WAYSxSHOTS, such as 5x1, with 2 ways and 1 shot or more, got {part!r:.80}")
        if shape in shapes:
            raise ConfigError(f"shape {shape} is there twice; name each once")
        shapes.append(shape)
    return tuple(shapes)


def sorted_out(sets: Sequence[ImageSet], config: EvaluationConfig) -> tuple[list[ImageSet], dict[str, str]]:
    """Tell sets that are large enough for the episodes of a configuration from those that are not.

    Returns:
        The first kind, and the names of the second with the reason.
    """
    protocol, kept, skipped = episode_protocol(config), [], {}
    for image_set in sets:
        try:
            protocol.draw(image_set, 0)
        except DataError as error:
            skipped[image_set.name] = str(error)
        else:
            kept.append(image_set)
    return kept, skipped


def overview_of(subject: str, shapes: Sequence[tuple[Shape, Evaluation | None, dict[str, str], str]]) -> ShapesOverview:
    """Put the means of all shapes together.

    Args:
        subject: What was evaluated.
        shapes: Each with its evaluation, if there was a set for it, the sets that were left out, and the name of its
            file.
    """
    results = {}
    for shape, evaluation, skipped, file in shapes:
        if evaluation is None:
            results[str(shape)] = ShapeResult(None, None, {}, {}, skipped)
        else:
            trust = evaluation.trust
            results[str(shape)] = ShapeResult(
                file, evaluation.mean, trust.mean_calibration, trust.mean_detection, skipped
            )
    return ShapesOverview(subject, results)
