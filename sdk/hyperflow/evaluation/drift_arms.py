"""The methods without gradients, in torch: a support set under theta_0 and under the thetas that the drift leads to."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import torch

from hyperflow.adapted.guard import choose_candidate, leave_one_out_loss
from hyperflow.adapted.prototypes import cosine_scores, prototypes_of
from hyperflow.adapted.unknown import unknown_threshold
from hyperflow.errors import DataError
from hyperflow.evaluation.image_batches import ImageBatches, encode_in_batches
from hyperflow.evaluation.methods import Answer, Labels, Scores
from hyperflow.model import HyperFlow

__all__ = ["DriftArms", "SupportUnder", "labels_of", "scores_of"]


def labels_of(scores: torch.Tensor) -> Labels:
    """Best class of each query; scores (Q, N).

    Raises:
        DataError: A score is not finite: the largest of such scores would be an answer that nothing stands behind.
    """
    if not torch.isfinite(scores).all():
        raise DataError("scores are not finite; look for a broken checkpoint")
    labels: Labels = scores.argmax(dim=1).numpy()
    return labels


def scores_of(cosines: torch.Tensor, logit_scale: float) -> Scores:
    """Probabilities and best cosines as a device gives them.

    Args:
        cosines: Of each query to each prototype, (Q, N).
        logit_scale: Factor from cosine to logit.
    """
    return Scores((logit_scale * cosines).softmax(dim=1).numpy(), cosines.max(dim=1).values.numpy())


@dataclass(frozen=True)
class SupportUnder:
    """A support set under one theta.

    Attributes:
        theta: (P,).
        features: (S, D).
        seconds: What it took beyond the features at theta_0.
        is_finite: Whether theta and all features are.
    """

    theta: torch.Tensor
    features: torch.Tensor
    seconds: float
    is_finite: bool


class DriftArms:
    """Everything that one task asks of the drift; each theta is computed once, when it is first needed."""

    def __init__(self, model: HyperFlow, support: torch.Tensor, labels_onehot: torch.Tensor) -> None:
        """Encode the support (S, 3, H, W) with labels (S, N) at theta_0."""
        self._model, self._support, self._onehot = model, support, labels_onehot
        start = perf_counter()
        self.base = encode_in_batches(model, support)
        self.base_seconds = perf_counter() - start
        self._seen: dict[float, SupportUnder] = {0.0: self.under(model.backbone.theta_0, start=perf_counter())}

    def under(self, theta: torch.Tensor, *, start: float) -> SupportUnder:
        """See the support under `theta`; time counts from `start`."""
        is_base = theta is self._model.backbone.theta_0
        features = self.base if is_base else encode_in_batches(self._model, self._support, theta)
        is_finite = bool(torch.isfinite(theta).all() and torch.isfinite(features).all())
        return SupportUnder(theta, features, perf_counter() - start, is_finite)

    def at(self, step_size: float) -> SupportUnder:
        """The support under theta_K for one step size."""
        if step_size not in self._seen:
            start = perf_counter()
            theta = self._model.adapt(self.base, self._onehot, torch.tensor(step_size)).theta
            self._seen[step_size] = self.under(theta, start=start)
        return self._seen[step_size]

    def finite_at(self, step_size: float) -> SupportUnder:
        """The same, or an error where it is not finite.

        Raises:
            DataError: It is not finite.
        """
        seen = self.at(step_size)
        if not seen.is_finite:
            raise DataError(
                f"theta or the features under it are not finite at step size {step_size:g}; "
                "look for blank images or a broken checkpoint, or use a smaller step"
            )
        return seen

    def guarded_step_size(self) -> tuple[float, float]:
        """Step size that the guard chooses, and the seconds that choosing took, features at theta_0 apart.

        A candidate that is not finite is left out, as on a device.

        Raises:
            DataError: Not even theta_0 gives finite features.
        """
        self.finite_at(0.0)
        device, start, spent = self._model.config.device, perf_counter(), 0.0
        tried = []
        for step_size, penalty in zip(device.candidates, device.penalties, strict=True):
            is_known = step_size in self._seen
            seen = self.at(step_size)
            spent += seen.seconds if is_known else 0.0  # computed before, for another method
            if seen.is_finite:
                tried.append((step_size, penalty, leave_one_out_loss(seen.features, self._onehot, device.logit_scale)))
        picked = choose_candidate([loss for _, _, loss in tried], [penalty for _, penalty, _ in tried])
        if picked is None:  # nothing could be left out: fall back as the device does
            nearest = [abs(step_size - device.step_size) for step_size, _, _ in tried]
            picked = nearest.index(min(nearest))
        return tried[picked][0], perf_counter() - start + spent

    def step_size_of(self, method: str) -> tuple[float, float]:
        """Step size of one of `METHODS`, and the seconds of adapting, from images to the support under it."""
        if method == "guarded":
            step_size, seconds = self.guarded_step_size()
        else:
            step_size = 0.0 if method == "direct" else self._model.config.device.step_size
            seconds = self.at(step_size).seconds
        return step_size, self.base_seconds + seconds

    def prototypes(self, seen: SupportUnder) -> torch.Tensor:
        """Class prototypes, (N, D)."""
        return prototypes_of(seen.features, self._onehot)

    def cosines_under(self, seen: SupportUnder, queries: ImageBatches) -> torch.Tensor:
        """Cosines of queries to the prototypes, both under the theta of `seen`; (Q, N)."""
        return cosine_scores(queries.encoded(self._model, seen.theta), self.prototypes(seen))

    def labels_under(self, seen: SupportUnder, queries: ImageBatches) -> Labels:
        """Answer queries under the theta of `seen`."""
        return labels_of(self.cosines_under(seen, queries))

    def _answer_under(self, seen: SupportUnder, queries: ImageBatches, unknown: ImageBatches | None) -> Answer:
        """Answer queries under the theta of `seen`, in no time."""
        device, cosines = self._model.config.device, self.cosines_under(seen, queries)
        return Answer(
            labels_of(cosines),
            seconds=0.0,
            scores=scores_of(cosines, device.logit_scale),
            unknown=None if unknown is None else scores_of(self.cosines_under(seen, unknown), device.logit_scale),
            unknown_threshold=unknown_threshold(
                seen.features, self._onehot, margin=device.unknown_margin, floor=device.unknown_floor
            ),
        )

    def answers(
        self, methods: tuple[str, ...], queries: ImageBatches, unknown: ImageBatches | None = None
    ) -> dict[str, Answer]:
        """Answer queries by some of `METHODS`; queries go once through the backbone for each theta.

        Args:
            methods: Which.
            queries: Of the task's classes.
            unknown: Of other classes; they are scored alike.

        Raises:
            DataError: Something is not finite.
        """
        chosen = {method: self.step_size_of(method) for method in methods}
        under = {
            step_size: self._answer_under(self.finite_at(step_size), queries, unknown)
            for step_size in {step_size for step_size, _ in chosen.values()}
        }
        return {
            method: under[step_size]._replace(seconds=seconds, step_size=step_size)
            for method, (step_size, seconds) in chosen.items()
        }
