"""The methods with gradients: fine-tuning on the support, and a linear head over frozen features."""

from __future__ import annotations

from time import perf_counter

import msgspec
import numpy as np
import torch

from hyperflow.adapted.prototypes import cosine_scores, prototypes_of
from hyperflow.errors import TrainingError
from hyperflow.evaluation.drift_arms import labels_of, scores_of
from hyperflow.evaluation.image_batches import ImageBatches, encode_in_batches
from hyperflow.evaluation.linear_probe import LinearHead, fit_linear_head
from hyperflow.evaluation.methods import Answer, Scores
from hyperflow.evaluation.recipes import Recipes
from hyperflow.model import HyperFlow
from hyperflow.teacher.fine_tuning import FineTuned, FineTuning, fine_tune

__all__ = ["TuningArms"]

_BATCH = 128  # images that go through a tuned backbone at once


class TuningArms:
    """Fits the arms with gradients to one support set."""

    def __init__(
        self, model: HyperFlow, recipes: Recipes, support: torch.Tensor, labels_onehot: torch.Tensor, seed: int
    ) -> None:
        """Take a support (S, 3, H, W) with labels (S, N); every arm starts from the same seed."""
        self._model, self._recipes = model, recipes
        self._support, self._onehot, self._seed = support, labels_onehot, seed

    def _recipe(self, method: str) -> FineTuning:
        return self._recipes.subset_tuning if method == "subset_tuning" else self._recipes.full_tuning

    def tune(self, method: str, *, n_steps: int | None = None) -> tuple[FineTuned, torch.Tensor]:
        """Fine-tune by one of the two recipes.

        Args:
            method: `subset_tuning` or `full_tuning`.
            n_steps: Instead of the recipe's.

        Returns:
            The tuned backbone and the prototypes under it, (N, D).

        Raises:
            TrainingError: It diverged.
        """
        recipe = self._recipe(method)
        if n_steps is not None:
            recipe = msgspec.structs.replace(recipe, n_steps=n_steps)
        generator = torch.Generator().manual_seed(self._seed)
        tuned = fine_tune(self._model, self._support, self._onehot, recipe, generator=generator)
        features = torch.cat([tuned.encode(batch) for batch in torch.split(self._support, _BATCH)])
        return tuned, prototypes_of(features, self._onehot)

    @torch.no_grad()
    def _head(self) -> LinearHead:
        features = encode_in_batches(self._model, self._support)
        return fit_linear_head(features, self._onehot, self._recipes.linear_probe)

    @torch.no_grad()
    def _answer(self, method: str, queries: ImageBatches, direct: Answer) -> Answer:
        start = perf_counter()
        if method == "linear_probe":
            head = self._head()
            seconds = perf_counter() - start
            logits = head.scores(queries.encoded(self._model))
            scores = Scores(logits.softmax(dim=1).numpy(), np.empty(0, np.float32))
        else:
            tuned, prototypes = self.tune(method)
            seconds = perf_counter() - start
            logits = torch.cat([cosine_scores(tuned.encode(batch), prototypes) for batch in queries])
            scores = scores_of(logits, self._recipe(method).logit_scale or self._model.config.device.logit_scale)
        if not torch.isfinite(logits).all():
            return Answer(direct.labels, seconds, failed=True, scores=direct.scores)
        return Answer(labels_of(logits), seconds, scores=scores)

    def answer(self, method: str, queries: ImageBatches, direct: Answer) -> Answer:
        """Answer queries by one of `TUNING_METHODS`.

        Args:
            method: Which.
            queries: Preprocessed.
            direct: What to answer when tuning diverges: a device would go back to theta_0.
        """
        start = perf_counter()
        try:
            return self._answer(method, queries, direct)
        except TrainingError:
            return Answer(direct.labels, perf_counter() - start, failed=True, scores=direct.scores)

    def fit(self, method: str, *, n_steps: int | None = None) -> None:
        """Only adapt, as far as `n_steps` goes, to measure what it costs."""
        if method == "linear_probe":
            self._head()
        else:
            self.tune(method, n_steps=n_steps)
