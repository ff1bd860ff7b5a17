"""A few-shot session: show it things, adapt, ask."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np

from hyperflow_runtime.adaptation_file import load_adaptation, save_adaptation
from hyperflow_runtime.adapting import adapt_support
from hyperflow_runtime.backends.protocol import Backend
from hyperflow_runtime.baking import EncoderSlot
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.classifier import Classifier
from hyperflow_runtime.errors import AdaptationError, FrameError, SupportError
from hyperflow_runtime.frames import Frame
from hyperflow_runtime.preprocessing import ColourOrder, crop_and_resize, normalise
from hyperflow_runtime.results import AdaptReport, Prediction
from hyperflow_runtime.support import Shot, Support, check_label

__all__ = ["Session"]

_MAX_UNDO = 100


class Session:
    """The support set of one task, and the classifier adapted to it. Made by `Model.session`.

    Frames are BGR uint8 arrays of any size, as OpenCV gives them; say `colour_order="rgb"` for RGB. Editing the support
    does not change what `predict` answers until `adapt` is called, except that a removed class is never predicted
    and a renamed one answers to its new name. Any thread may call any method: edits and `adapt` wait for each other,
    predictions wait for nothing and use the last adaptation.

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
        self._backend, self._bundle, self._colour_order, self._bake = backend, bundle, colour_order, bake
        self._lock = threading.RLock()
        self._support = Support()
        self._in_force: tuple[Classifier, EncoderSlot] | None = None
        self._history: list[tuple[Support, tuple[Classifier, EncoderSlot] | None, bool]] = []
        self._next_shot_id = 0
        self._is_stale = False

    @property
    def labels(self) -> tuple[str, ...]:
        """Classes of the support, in the order of their first shot."""
        return self._support.labels

    @property
    def n_shots(self) -> dict[str, int]:
        """Support images of each class."""
        return self._support.n_shots

    @property
    def is_stale(self) -> bool:
        """Whether the support was changed since the last `adapt`."""
        return self._is_stale

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
        single = isinstance(frames, np.ndarray) and frames.ndim < 4
        try:
            new_frames: list[Frame] = [frames] if isinstance(frames, np.ndarray) and single else list(frames)
        except TypeError as error:
            raise FrameError(f"frames must be arrays, got {type(frames).__name__}; use read_image for files") from error
        check_label(label)
        if not new_frames:
            raise SupportError(f"no frame to add to class {label!r:.80}")
        with self._lock:
            self._check_limits(label, len(new_frames))
            shots = self._encoded_shots(label, new_frames)
            self._edit(self._support.with_shots(shots))
        ids = [shot.shot_id for shot in shots]
        return ids[0] if single else ids

    def _check_limits(self, label: str, n_new: int) -> None:
        limits = self._bundle.manifest.limits
        if len(self._support.shots) + n_new > limits.max_support:
            raise SupportError(
                f"{len(self._support.shots)} shots and {n_new} more exceed the bundle's limit of {limits.max_support}; "
                "remove some, or export a bundle with a larger --max-support"
            )
        if label not in self.labels and len(self.labels) >= limits.max_ways:
            raise SupportError(
                f"class {label!r:.80} would be number {len(self.labels) + 1}, the bundle's limit is {limits.max_ways}; "
                "remove a class, or export a bundle with a larger --max-ways"
            )

    def _encoded_shots(self, label: str, frames: Sequence[Frame]) -> tuple[Shot, ...]:
        rule = self._bundle.manifest.preprocessing
        images = np.stack([crop_and_resize(frame, rule, self._colour_order) for frame in frames])
        features = self._backend.encode(normalise(images, rule), self._bundle.theta_0)
        if not np.isfinite(features).all():
            raise SupportError(
                f"the backbone gives features that are not finite for class {label!r:.80}; export it again"
            )
        first = self._next_shot_id
        self._next_shot_id += len(images)
        return tuple(Shot(first + i, label, features[i], images[i]) for i in range(len(images)))

    def _edit(self, support: Support, in_force: tuple[Classifier, EncoderSlot] | None = None) -> None:
        self._history.append((self._support, self._in_force, self._is_stale))
        del self._history[:-_MAX_UNDO]
        self._support, self._is_stale = support, True
        if in_force is not None:
            self._in_force = in_force

    def remove(self, shot_id: int) -> None:
        """Remove one shot; its class goes with its last shot.

        Raises:
            SupportError: No such shot.
        """
        with self._lock:
            support = self._support.without_shot(shot_id)
            gone = set(self.labels) - set(support.labels)
            self._edit(support)
            for label in gone:
                self._forget(label)

    def remove_class(self, label: str) -> None:
        """Remove a class with all its shots; it is not predicted from now on.

        Raises:
            SupportError: No such class.
        """
        with self._lock:
            self._edit(self._support.without_class(label))
            self._forget(label)

    def _forget(self, label: str) -> None:
        if self._in_force is not None:
            classifier = self._in_force[0].without_class(label)
            self._serve(None if classifier is None else (classifier, self._in_force[1]))

    def rename_class(self, old: str, new: str) -> None:
        """Give a class another name; nothing needs to adapt for that.

        Raises:
            SupportError: No such class, a bad name, or one that is taken.
        """
        with self._lock:
            was_stale = self._is_stale
            support = self._support.with_renamed_class(old, new)
            in_force = self._in_force and (self._in_force[0].with_renamed_class(old, new), self._in_force[1])
            self._edit(support, in_force)
            self._is_stale = was_stale

    def undo(self) -> None:
        """Take back the last change of the support, together with any `adapt` since, without adapting again.

        Raises:
            SupportError: There is nothing to take back.
        """
        with self._lock:
            if not self._history:
                raise SupportError("nothing to undo")
            self._support, in_force, self._is_stale = self._history.pop()
            self._serve(in_force)

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
        with self._lock:
            bundle = self._bundle
            classifier, report = adapt_support(
                self._backend, bundle.manifest, bundle.theta_0, self._support, step_size=step_size, guard=guard
            )
            self._put_in_force(classifier)
        return report

    def _put_in_force(self, classifier: Classifier) -> None:
        self._serve((classifier, EncoderSlot(self._backend, classifier.theta)))
        self._is_stale = False

    def _serve(self, in_force: tuple[Classifier, EncoderSlot] | None) -> None:
        """Change what predictions use; of all the thetas in the history, only the one in force stays baked."""
        if in_force is not None and self._bake:
            in_force[1].start_baking()
        before, self._in_force = self._in_force, in_force
        if before is not None and (in_force is None or in_force[1] is not before[1]):
            before[1].drop_baked()

    def wait_until_baked(self) -> None:
        """Return when the faster encoder of the last `adapt` is in use. Predictions never need this; benchmarks do."""
        in_force = self._in_force
        if in_force is not None:
            in_force[1].wait()

    def predict(self, frame: Frame, *, allow_unknown: bool = True) -> Prediction:
        """Classify one frame.

        Args:
            frame: See the class.
            allow_unknown: False always names a class.

        Raises:
            AdaptationError: `adapt` was never called, or every class was removed.
            FrameError: The frame cannot be used.
            BackendError: The model is closed, or the graph failed.
        """
        return self.predict_batch([frame], allow_unknown=allow_unknown)[0]

    def predict_batch(self, frames: Sequence[Frame], *, allow_unknown: bool = True) -> list[Prediction]:
        """Classify several frames in one run of the graph; see `predict`."""
        in_force = self._in_force
        if in_force is None:
            raise AdaptationError("nothing to predict with: add shots of two or more classes, then call adapt()")
        if not len(frames):
            return []
        classifier, slot = in_force
        rule = self._bundle.manifest.preprocessing
        images = np.stack([crop_and_resize(frame, rule, self._colour_order) for frame in frames])
        features = slot.encoder.encode(normalise(images, rule))
        if not np.isfinite(features).all():
            raise AdaptationError("features of the frame are not finite; adapt again, or adapt(step_size=0.0)")
        return classifier.predictions(features, allow_unknown=allow_unknown)

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
        with self._lock:
            if self._in_force is None or self._is_stale:
                raise AdaptationError("the support was changed since the last adapt(); adapt, then save")
            save_adaptation(
                Path(path), self._support, self._in_force[0], self._bundle, with_images=with_images, overwrite=overwrite
            )

    def load(self, path: str | Path) -> None:
        """Put a saved adaptation in the place of what the session holds. `undo` takes it back.

        Raises:
            AdaptationFileError: Missing, torn, or of another bundle; the session is unchanged.
        """
        support, classifier = load_adaptation(Path(path), self._bundle)
        with self._lock:
            self._edit(support)
            self._next_shot_id = max(self._next_shot_id, len(support.shots))
            self._put_in_force(classifier)
