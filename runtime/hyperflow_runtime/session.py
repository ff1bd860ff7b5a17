"""A few-shot session: show it things, adapt, ask."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import overload

import numpy as np

from hyperflow_runtime.adaptation import loaded_adaptation
from hyperflow_runtime.adaptation_file import load_adaptation, save_adaptation
from hyperflow_runtime.adapting import adapt_support
from hyperflow_runtime.backends.protocol import Array, Backend
from hyperflow_runtime.baking import EncoderSlot
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.errors import AdaptationError, SupportError
from hyperflow_runtime.frames import Frame
from hyperflow_runtime.history import History, InForce, Moment
from hyperflow_runtime.preprocessing import ColourOrder
from hyperflow_runtime.results import AdaptReport, Prediction
from hyperflow_runtime.seeing import Eye, as_frames
from hyperflow_runtime.stopwatch import Stopwatch
from hyperflow_runtime.support import Shot, Support, check_label

__all__ = ["Session"]


class Session:
    """The support set of one task, and the classifier adapted to it. Made by `Model.session`.

    Frames are BGR uint8 arrays of any size, as OpenCV gives them; say `colour_order="rgb"` for RGB. Edits do not change
    what `predict` answers until `adapt`, except that a removed class is never predicted and a renamed one is renamed.

    Any thread may call any method. Predictions and properties wait for nothing. Edits wait for each other, never for
    encoding or adapting. Adaptations wait for each other. One that was overtaken by an edit is put in force without
    the classes that went and under the names that are new, and `is_stale` stays True; one that was overtaken by an
    `undo` or a `load` is dropped, unless it fits what is there now.

    Example:
        >>> with open_bundle("build/small.hyperflow") as model:  # doctest: +SKIP
        ...     session = model.session()
        ...     session.add("mug", mug_frames)
        ...     session.add("pen", pen_frames)
        ...     session.adapt()
        ...     print(session.predict(frame).label)
    """

    def __init__(self, backend: Backend, bundle: Bundle, *, colour_order: ColourOrder, bake: bool) -> None:
        """Start empty; use `Model.session` instead."""
        self._backend, self._bundle = backend, bundle
        self._editing, self._adapting = threading.Lock(), threading.Lock()
        self._history = History(bake=bake)
        self._next_shot_id = 0
        self._eye = Eye(bundle.manifest.preprocessing, colour_order)
        self._base = EncoderSlot(backend, bundle.theta_0)

    @property
    def _now(self) -> Moment:
        return self._history.now

    @property
    def labels(self) -> tuple[str, ...]:
        """Classes of the support, in the order of their first shot."""
        return self._now.support.labels

    @property
    def n_shots(self) -> dict[str, int]:
        """Support images of each class."""
        return self._now.support.n_shots

    @property
    def shots(self) -> tuple[Shot, ...]:
        """All support images, in the order they were added, each with its id, class, feature and pixels."""
        return self._now.support.shots

    @property
    def is_stale(self) -> bool:
        """Whether shots came or went since the adaptation in force."""
        return self._now.is_stale

    @property
    def is_adapted(self) -> bool:
        """Whether there is something to predict with."""
        return self._now.in_force is not None

    @property
    def report(self) -> AdaptReport | None:
        """Of the adaptation in force; None before the first, and for one that was loaded from a file."""
        in_force = self._now.in_force
        return None if in_force is None else in_force.adaptation.report

    @property
    def can_undo(self) -> bool:
        """Whether `undo` has something to take back."""
        return self._history.can_take_back

    @property
    def version(self) -> int:
        """Grows with every change of the support and of the adaptation in force."""
        return self._now.version

    def support_features(self, *, adapted: bool = True) -> Array:
        """Features of `shots`, (S, D), for a map or a measure of one's own.

        Args:
            adapted: Under the theta in force; False for theta_0. The first time after `load`, the shots are encoded.

        Raises:
            AdaptationError: No shots, or some the adaptation in force has not seen, nor a file kept images of: adapt.
            BackendError: The model is closed, or the graph failed.
        """
        now = self._now
        if adapted and now.is_unseen and now.in_force is not None:
            features = self._eye.features_of(now.support, now.in_force.slot.encoder)
            with self._editing:
                now = self._history.complete(now, features)
        return now.support_features(adapted=adapted)

    @overload
    def add(self, label: str, frames: Frame) -> int: ...
    @overload
    def add(self, label: str, frames: Sequence[Frame]) -> list[int]: ...
    def add(self, label: str, frames: Frame | Sequence[Frame]) -> int | list[int]:
        """Add one or several shots of a class. Each is encoded now, once and for all.

        Args:
            label: Class name; a new one makes a new class.
            frames: One frame, or a sequence of frames.

        Returns:
            The shot's id, for `remove`; a list of ids for a sequence.

        Raises:
            FrameError: A frame cannot be used; none of them was added.
            SupportError: A bad name, nothing to add, too many shots or classes, or features that are not finite.
            BackendError: The model is closed, or the graph failed.
        """
        new_frames, single = as_frames(frames)
        check_label(label)
        if not new_frames:
            raise SupportError(f"no frame to add to class {label!r:.80}")
        limits = self._bundle.manifest.limits
        self._now.support.check_room(label, len(new_frames), limits)  # before the work; others may still come first
        encoded = self._eye.shots(label, new_frames, self._base.encoder)
        with self._editing:
            self._now.support.check_room(label, len(new_frames), limits)
            shots = tuple(self._with_new_ids(encoded))
            now = self._now
            self._history.edit(now.support.with_shots(shots), now.in_force, is_stale=True)
        ids = [shot.shot_id for shot in shots]
        return ids[0] if single else ids

    def _with_new_ids(self, shots: Sequence[Shot]) -> list[Shot]:
        first = self._next_shot_id
        self._next_shot_id += len(shots)
        return [replace(shot, shot_id=first + index) for index, shot in enumerate(shots)]

    def remove(self, shot_id: int) -> None:
        """Remove one shot; its class goes with its last shot.

        Raises:
            SupportError: No such shot.
        """
        with self._editing:
            self._reduce_to(self._now.support.without_shot(shot_id))

    def remove_class(self, label: str) -> None:
        """Remove a class with all its shots; it is not predicted from now on.

        Raises:
            SupportError: No such class.
        """
        with self._editing:
            self._reduce_to(self._now.support.without_class(label))

    def _reduce_to(self, support: Support) -> None:
        now = self._now
        gone = set(now.support.labels) - set(support.labels)
        self._history.edit(support, now.in_force and now.in_force.without_classes(gone), is_stale=True)

    def rename_class(self, old: str, new: str) -> None:
        """Give a class another name; nothing needs to adapt for that.

        Raises:
            SupportError: No such class, a bad name, or one that is taken.
        """
        with self._editing:
            now = self._now
            support = now.support.with_renamed_class(old, new)
            in_force = now.in_force and now.in_force.with_renamed_class(old, new)
            self._history.edit(support, in_force, is_stale=now.is_stale)

    def undo(self) -> None:
        """Take back the last change of the support, together with any `adapt` since, without adapting again.

        Raises:
            SupportError: There is nothing to take back.
        """
        with self._editing:
            self._history.take_back()

    def adapt(self, *, step_size: float | None = None, guard: bool = True) -> AdaptReport:
        """Adapt to the support, without a gradient.

        Args:
            step_size: Euler step size h; 0.0 is direct transfer. None for the bundle's own.
            guard: Let the support choose among the bundle's step sizes, 0 among them; False trusts the drift.

        Raises:
            AdaptationError: Fewer than two classes, shots without pixels, or a result that is not finite. The last
                adaptation stays in force.
            BackendError: The model is closed, or the graph failed.
        """
        if step_size is not None and not np.isfinite(step_size):
            raise AdaptationError(f"step_size must be finite, got {step_size}")
        with self._adapting:
            bundle, support = self._bundle, self._now.support
            adaptation = adapt_support(
                self._backend, bundle.manifest, bundle.theta_0, support, step_size=step_size, guard=guard
            )
            in_force = InForce(adaptation, EncoderSlot(self._backend, adaptation.classifier.theta))
            with self._editing:
                self._history.put_in_force(in_force)
        assert adaptation.report is not None
        return adaptation.report

    def wait_until_baked(self) -> None:
        """Return when the faster encoder of the last `adapt` is in use. Predictions never need this; benchmarks do."""
        in_force = self._now.in_force
        if in_force is not None:
            in_force.slot.wait()

    def predict(self, frame: Frame, *, allow_unknown: bool = True, adapted: bool = True) -> Prediction:
        """Classify one frame.

        Args:
            frame: See the class.
            allow_unknown: False always names a class.
            adapted: False answers as if nothing had been adapted: theta_0 and its own prototypes of the same support.

        Raises:
            AdaptationError: `adapt` was never called, or every class was removed.
            FrameError: The frame cannot be used.
            BackendError: The model is closed, or the graph failed.
        """
        return self.predict_batch([frame], allow_unknown=allow_unknown, adapted=adapted)[0]

    def predict_batch(
        self, frames: Sequence[Frame], *, allow_unknown: bool = True, adapted: bool = True
    ) -> list[Prediction]:
        """Classify several frames in one run of the graph; see `predict`."""
        in_force = self._now.in_force
        if in_force is None:
            raise AdaptationError("nothing to predict with: add shots of two or more classes, then call adapt()")
        if not len(frames):
            return []
        classifier, slot = in_force.answering(self._base, adapted=adapted)
        watch = Stopwatch()
        features = self._eye.features(frames, slot.encoder, watch)
        if not np.isfinite(features).all():
            raise AdaptationError("features of the frame are not finite; adapt again, or adapt(step_size=0.0)")
        with watch.stage("head"):
            answers = classifier.predictions(features, allow_unknown=allow_unknown)
        return [replace(answer, timings_ms=watch.timings_ms) for answer in answers]

    def save(self, path: str | Path, *, with_images: bool = True, overwrite: bool = False) -> None:
        """Write the adaptation to a file that `Model.session(path)` opens.

        Args:
            path: Usually `NAME.adaptation`.
            with_images: Keep the cropped support images (some kilobytes each), so that shots can be added later.
            overwrite: Replace an existing file, in one step.

        Raises:
            AdaptationError: Not adapted yet, or the support was changed since.
            AdaptationFileError: The file exists or cannot be written; an old file is untouched.
        """
        now = self._now
        if now.in_force is None or now.is_stale:
            raise AdaptationError("the support was changed since the last adapt(); adapt, then save")
        save_adaptation(
            Path(path), now.support, now.in_force.adaptation.classifier, self._bundle,
            with_images=with_images, overwrite=overwrite,
        )  # fmt: skip

    def load(self, path: str | Path) -> None:
        """Put a saved adaptation in the place of what the session holds. `undo` takes it back.

        Raises:
            AdaptationFileError: Missing, torn, or of another bundle; the session is unchanged.
        """
        loaded, classifier = load_adaptation(Path(path), self._bundle)
        with self._editing:
            support = Support(tuple(self._with_new_ids(loaded.shots)))
            adaptation = loaded_adaptation(classifier, support, self._bundle.manifest.head, self._bundle.theta_0)
            in_force = InForce(adaptation, EncoderSlot(self._backend, classifier.theta))
            self._history.edit(support, in_force, is_stale=False)
