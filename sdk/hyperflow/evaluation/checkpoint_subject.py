"""A checkpoint as a subject: every method, in torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from PIL import Image
from torch.nn import functional

from hyperflow.evaluation.drift_arms import DriftArms
from hyperflow.evaluation.euler_states import euler_states
from hyperflow.evaluation.image_batches import ImageBatches
from hyperflow.evaluation.methods import ALL_METHODS, METHODS, Answer, Features, Frame, Labels, Task
from hyperflow.evaluation.recipes import Recipes
from hyperflow.evaluation.tuning_arms import TuningArms
from hyperflow.images.preprocessing import crop_and_resize
from hyperflow.model import HyperFlow

__all__ = ["CheckpointSubject"]


class CheckpointSubject:
    """A torch model as a subject.

    Attributes:
        methods: What it can answer: everything.
    """

    methods = ALL_METHODS

    def __init__(self, model: HyperFlow, recipes: Recipes | None = None) -> None:
        """Take a model in eval mode; its weights are laid out anew in memory (channels last), not changed."""
        self._model, self._recipes = model, recipes or Recipes()
        model.backbone.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def frame(self, image: Image.Image) -> Frame:
        """Crop and resize an RGB image as the model wants it."""
        return crop_and_resize(image, self._model.config.preprocessing)

    @torch.inference_mode()
    def encode(self, frames: Sequence[Frame]) -> Features:
        """Features at theta_0, (B, D)."""
        features: Features = self._images(frames).encoded(self._model).numpy()
        return features

    def _images(self, frames: Sequence[Frame], base: Features | None = None) -> ImageBatches:
        return ImageBatches(frames, self._model.config.preprocessing, base)

    def _support(self, task: Task) -> tuple[torch.Tensor, torch.Tensor]:
        onehot = functional.one_hot(torch.from_numpy(task.labels), task.n_way).float()
        return self._images(task.support).whole(), onehot

    def _tuning(self, task: Task) -> TuningArms:
        return TuningArms(self._model, self._recipes, *self._support(task), task.seed)

    def answer(self, task: Task, methods: Sequence[str] = METHODS) -> Mapping[str, Answer]:
        """Label the queries of one task; see `hyperflow.evaluation.subjects.Subject`."""
        queries = self._images(task.queries, task.query_features)
        unknown = self._images(task.unknown, task.unknown_features) if task.unknown else None
        with torch.inference_mode():
            arms = DriftArms(self._model, *self._support(task))
            asked = tuple(method for method in METHODS if method in methods or method == "direct")
            answers = arms.answers(asked, queries, unknown)
        tuning = self._tuning(task)
        for method in methods:
            if method not in METHODS:
                answers[method] = tuning.answer(method, queries, answers["direct"])
        return {method: answers[method] for method in ALL_METHODS if method in methods}

    @torch.inference_mode()
    def answers_along(self, task: Task, step_sizes: Sequence[float]) -> tuple[list[Labels | None], list[Labels | None]]:
        """Label the queries after each Euler step, and under each of some step sizes.

        Args:
            task: As for `answer`.
            step_sizes: Euler step sizes h.

        Returns:
            Labels (Q,) after 0..K steps of the default size, and after K steps of each of `step_sizes`; None where the
            features are not finite.
        """
        support, onehot = self._support(task)
        queries = self._images(task.queries, task.query_features)
        arms = DriftArms(self._model, support, onehot)
        default = self._model.config.device.step_size
        states = euler_states(self._model, arms.base, onehot, default)
        between = [arms.under(theta, start=0.0) for theta in states[1:-1]]
        after = [arms.at(0.0), *between, arms.at(default)]
        under = [arms.at(step_size) for step_size in step_sizes]
        once = {id(seen): seen for seen in (*after, *under) if seen.is_finite}  # the two lines share their ends
        labels = {key: arms.labels_under(seen, queries) for key, seen in once.items()}
        euler, sized = ([labels.get(id(seen)) for seen in group] for group in (after, under))
        return euler, sized

    @property
    def curve_step_sizes(self) -> tuple[float, ...]:
        """Step sizes worth a look: multiples of the default, or of 1 where the default is 0."""
        unit = self._model.config.device.step_size or 1.0
        return tuple(unit * factor for factor in (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0))

    def n_tuning_steps(self, method: str) -> int:
        """Optimiser steps of a fine-tuning method; 0 for every other."""
        recipes = {"subset_tuning": self._recipes.subset_tuning, "full_tuning": self._recipes.full_tuning}
        return recipes[method].n_steps if method in recipes else 0

    def adaptation(self, task: Task, method: str, *, n_steps: int | None = None) -> Callable[[], object]:
        """Only the adapting of one method, to be measured; the backbone has run on one image before.

        Args:
            task: Its support alone matters.
            method: One of `methods`.
            n_steps: Optimiser steps, instead of the recipe's.
        """
        support, onehot = self._support(task)
        with torch.no_grad():
            self._model.encode(support[:1])
        if method not in METHODS:
            tuning = TuningArms(self._model, self._recipes, support, onehot, task.seed)
            return lambda: tuning.fit(method, n_steps=n_steps)

        @torch.no_grad()
        def adapt() -> torch.Tensor:
            arms = DriftArms(self._model, support, onehot)
            return arms.prototypes(arms.finite_at(arms.step_size_of(method)[0]))

        return adapt
