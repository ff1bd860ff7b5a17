"""From a support set to an adapted classifier: drift, one pass of the support, guard, prototypes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hyperflow_runtime.adaptation import Adaptation, direct_classifier
from hyperflow_runtime.backends.protocol import Array, Backend
from hyperflow_runtime.bundle.manifest import Manifest
from hyperflow_runtime.classifier import Classifier
from hyperflow_runtime.errors import AdaptationError
from hyperflow_runtime.guard import LeaveOneOut, choose_candidate, leave_one_out
from hyperflow_runtime.preprocessing import normalise
from hyperflow_runtime.prototypes import prototypes_of
from hyperflow_runtime.results import AdaptReport, GuardCandidate
from hyperflow_runtime.stopwatch import Stopwatch
from hyperflow_runtime.support import Support
from hyperflow_runtime.unknown import MIN_LEFT_OUT, unknown_threshold

__all__ = ["adapt_support"]


@dataclass(frozen=True, eq=False)
class _Candidate:
    """The support under one theta."""

    step_size: float
    theta: Array
    features: Array
    left_out: LeaveOneOut
    step_norms: tuple[float, ...]


class _Candidates:
    """Computes candidates for one support set, each stage timed."""

    def __init__(self, backend: Backend, manifest: Manifest, theta_0: Array, support: Support) -> None:
        self._backend, self._manifest, self._theta_0, self._support = backend, manifest, theta_0, support
        self._base, self.labels_onehot = support.features, support.labels_onehot
        self.watch = Stopwatch()
        self.n_encoded = 0

    @property
    def can_encode(self) -> bool:
        """Whether the support's pixels are at hand."""
        return self._support.images_rgb is not None

    def at(self, step_size: float) -> _Candidate:
        """Move theta by one step size and see the support under it; at 0 nothing needs to run."""
        theta, features, step_norms = self._theta_0, self._base, ()
        if step_size != 0.0:
            with self.watch.stage("drift"):
                drift = self._backend.adapt(self._base, self.labels_onehot, step_size)
            theta, step_norms = drift.theta, tuple(drift.step_norms.tolist())
            if not np.isfinite(theta).all():
                raise AdaptationError(
                    f"theta is not finite at step size {step_size}; look for blank images, or use a smaller step"
                )
            features = self._encoded(theta)
        with self.watch.stage("guard"):
            left_out = leave_one_out(features, self.labels_onehot)
        return _Candidate(step_size, theta, features, left_out, step_norms)

    def _encoded(self, theta: Array) -> Array:
        images = self._support.images_rgb
        if images is None:
            raise AdaptationError(
                "some support images were not kept, so they cannot be seen under a new theta; "
                "save with images, capture the shots again, or adapt(step_size=0.0)"
            )
        with self.watch.stage("encode"):
            features = self._backend.encode(normalise(images, self._manifest.preprocessing), theta)
        self.n_encoded += len(images)
        if not np.isfinite(features).all():
            raise AdaptationError("features are not finite under the adapted theta; adapt(step_size=0.0) still works")
        return features


def _check_support(support: Support) -> None:
    if len(support.labels) < 2:
        raise AdaptationError(
            f"adapting needs at least two classes, got {len(support.labels)}; add shots of another class"
            " (one of the background will do)"
        )


def _notes(support: Support, left_out: LeaveOneOut) -> tuple[str, ...]:
    notes = []
    single = [label for label, count in support.n_shots.items() if count == 1]
    if single:
        notes.append(f"one shot only: {', '.join(single)}; add another view of each")
    if len(left_out.labels) < MIN_LEFT_OUT:
        notes.append("too few shots to check the adaptation or to calibrate 'unknown' on the support itself")
    elif left_out.accuracy is not None and left_out.accuracy < 0.6:
        notes.append(f"the support contradicts itself: leave-one-out accuracy {left_out.accuracy:.0%}")
    return tuple(notes)


def _try_all(candidates: _Candidates, step_sizes: tuple[float, ...]) -> tuple[list[_Candidate], list[str]]:
    """Compute every candidate; one that fails is left out and noted, since doing nothing is always among them."""
    tried, failures = [], []
    for step_size in step_sizes:
        try:
            tried.append(candidates.at(step_size))
        except AdaptationError as error:
            if step_size == 0.0 or not candidates.can_encode:
                raise
            failures.append(f"step size {step_size:g} was left out: {error}")
    return tried, failures


def _report(
    support: Support, candidates: _Candidates, tried: list[_Candidate], chosen: _Candidate,
    losses: list[float | None], guarded: bool, failures: list[str], threshold: float,
) -> AdaptReport:  # fmt: skip
    return AdaptReport(
        n_shots=support.n_shots,
        step_size=chosen.step_size,
        guarded=guarded,
        candidates=tuple(
            GuardCandidate(candidate.step_size, loss, candidate.left_out.accuracy, candidate is chosen)
            for candidate, loss in zip(tried, losses, strict=True)
        ),
        leave_one_out_accuracy=chosen.left_out.accuracy,
        unknown_threshold=threshold,
        step_norms=max((candidate.step_norms for candidate in tried), key=sum),
        timings_ms=dict(candidates.watch.timings_ms),
        n_encoded=candidates.n_encoded,
        notes=(*_notes(support, chosen.left_out), *failures),
    )


def adapt_support(
    backend: Backend, manifest: Manifest, theta_0: Array, support: Support, *, step_size: float | None, guard: bool
) -> Adaptation:
    """Adapt to a support set.

    Args:
        backend: Runs the graphs.
        manifest: Of the same bundle.
        theta_0: Start value, (P,).
        support: At least two classes.
        step_size: Euler step size h, chosen by the caller; None for the bundle's own.
        guard: Let the support choose among the bundle's candidates; not when `step_size` is given.

    Raises:
        AdaptationError: One class only, pixels that were not kept, or a result that is not finite.
        BackendError: The graphs failed.
    """
    _check_support(support)
    rule = manifest.adaptation
    candidates = _Candidates(backend, manifest, theta_0, support)
    with candidates.watch.stage("total"):
        guarded = guard and step_size is None
        step_sizes = rule.candidates if guarded else (rule.step_size if step_size is None else step_size,)
        tried, failures = _try_all(candidates, step_sizes) if guarded else ([candidates.at(step_sizes[0])], [])
        losses = [candidate.left_out.loss(manifest.head.logit_scale) for candidate in tried]
        penalties = dict(zip(rule.candidates, rule.penalties, strict=True))
        picked = choose_candidate(losses, [penalties[c.step_size] for c in tried]) if guarded else 0
        if picked is None:  # nothing could be left out: the support cannot judge, meta-validation did
            guarded = False
            nearest = [abs(candidate.step_size - rule.step_size) for candidate in tried]
            picked = nearest.index(min(nearest))
        chosen = tried[picked]
        with candidates.watch.stage("prototypes"):
            prototypes = prototypes_of(chosen.features, candidates.labels_onehot)
            threshold = unknown_threshold(chosen.left_out, manifest.head)
    classifier = Classifier(
        support.labels, chosen.theta, prototypes, chosen.step_size, threshold, manifest.head.logit_scale
    )
    report = _report(support, candidates, tried, chosen, losses, guarded, failures, threshold)
    return Adaptation(
        classifier,
        direct_classifier(support, manifest.head, theta_0),
        support,
        {shot.shot_id: feature for shot, feature in zip(support.shots, chosen.features, strict=True)},
        report,
    )
