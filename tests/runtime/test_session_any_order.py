"""Edits, adaptations, undo, saving and loading in any order: the session is always what a simple model of it says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from numpy.typing import NDArray

from hyperflow_runtime import AdaptationError, Model, Session, SupportError

Pictures = dict[str, list[NDArray[np.uint8]]]
COLOURS = ("red", "green", "blue", "grey")
NAMES = (*COLOURS, "mug", "pen", "key")
MOST_WAYS, MOST_SHOTS = 6, 24  # of the tiny bundle


@dataclass(frozen=True)
class Expected:
    """What a session should hold.

    Attributes:
        shots: Class of each shot by its id, in the order of the shots.
        names: Classes that are answered; None before adapting.
        seen: Shots whose features under the theta in force are known.
        is_stale: See `Session`.
    """

    shots: tuple[tuple[int, str], ...] = ()
    names: tuple[str, ...] | None = None
    seen: frozenset[int] = frozenset()
    is_stale: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(label for _, label in self.shots))

    def reduced_to(self, shots: tuple[tuple[int, str], ...]) -> Expected:
        """Without some shots; classes that go with them are answered no more."""
        left = replace(self, shots=shots, is_stale=True)
        gone = set(self.labels) - set(left.labels)
        names = tuple(name for name in self.names or () if name not in gone)
        return replace(left, names=names or None, seen=self.seen if names else frozenset())

    def renamed(self, old: str, new: str) -> Expected:
        names = None if self.names is None else tuple(new if name == old else name for name in self.names)
        return replace(
            self, shots=tuple((number, new if name == old else name) for number, name in self.shots), names=names
        )


class SessionInAnyOrder(RuleBasedStateMachine):
    """Does what it may to a session and to the model of it, and compares."""

    def __init__(self, model: Model, pictures: Pictures, folder: Path) -> None:
        super().__init__()
        self.session: Session = model.session(bake=False)
        self.pictures, self.file = pictures, folder / "one.adaptation"
        self.now, self.before = Expected(), list[Expected]()
        self.saved: Expected | None = None
        self.next_id, self.version = 0, self.session.version

    def enter(self, after: Expected, *, can_undo: bool = True) -> None:
        if can_undo:
            self.before.append(self.now)
        self.now = after
        assert self.session.version > self.version
        self.version = self.session.version

    @rule(label=st.sampled_from(NAMES), n_frames=st.integers(1, 4), index=st.integers(0, 4))
    def add(self, label: str, n_frames: int, index: int) -> None:
        frames = self.pictures[COLOURS[NAMES.index(label) % len(COLOURS)]][index : index + n_frames]
        too_many_classes = label not in self.now.labels and len(self.now.labels) == MOST_WAYS
        if too_many_classes or len(self.now.shots) + n_frames > MOST_SHOTS:
            with pytest.raises(SupportError, match="limit"):
                self.session.add(label, frames)
            return
        ids = self.session.add(label, frames)
        assert ids == list(range(self.next_id, self.next_id + n_frames))
        self.next_id += n_frames
        self.enter(replace(self.now, shots=(*self.now.shots, *((number, label) for number in ids)), is_stale=True))

    @precondition(lambda self: self.now.shots)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        number, _ = data.draw(st.sampled_from(self.now.shots))
        self.session.remove(number)
        self.enter(self.now.reduced_to(tuple(shot for shot in self.now.shots if shot[0] != number)))

    @rule(label=st.sampled_from(NAMES))
    def remove_class(self, label: str) -> None:
        if label not in self.now.labels:
            with pytest.raises(SupportError, match="no class"):
                self.session.remove_class(label)
            return
        self.session.remove_class(label)
        self.enter(self.now.reduced_to(tuple(shot for shot in self.now.shots if shot[1] != label)))

    @rule(old=st.sampled_from(NAMES), new=st.sampled_from(NAMES))
    def rename_class(self, old: str, new: str) -> None:
        if old not in self.now.labels or new in self.now.labels:
            with pytest.raises(SupportError, match=r"no class|exists already"):
                self.session.rename_class(old, new)
            return
        self.session.rename_class(old, new)
        self.enter(self.now.renamed(old, new))

    @rule()
    def undo(self) -> None:
        if not self.before:
            with pytest.raises(SupportError, match="nothing to undo"):
                self.session.undo()
            return
        self.session.undo()
        self.enter(self.before.pop(), can_undo=False)

    @rule(step_size=st.sampled_from([None, 0.0, 0.5]))
    def adapt(self, step_size: float | None) -> None:
        if len(self.now.labels) < 2:
            with pytest.raises(AdaptationError, match="at least two classes"):
                self.session.adapt(step_size=step_size)
            return
        report = self.session.adapt(step_size=step_size)
        assert tuple(report.n_shots) == self.now.labels
        assert self.session.report is report
        seen = frozenset(number for number, _ in self.now.shots)
        self.enter(replace(self.now, names=self.now.labels, seen=seen, is_stale=False), can_undo=False)

    @rule()
    def save(self) -> None:
        if self.now.names is None or self.now.is_stale:
            with pytest.raises(AdaptationError, match="adapt, then save"):
                self.session.save(self.file, overwrite=True)
            return
        self.session.save(self.file, overwrite=True)
        self.saved = self.now

    @precondition(lambda self: self.saved)
    @rule()
    def load(self) -> None:
        assert self.saved is not None
        self.session.load(self.file)
        labels = [label for _, label in self.saved.shots]
        shots = tuple((self.next_id + index, label) for index, label in enumerate(labels))
        self.next_id += len(shots)
        seen = frozenset(number for number, _ in shots)  # once they are asked for, as is done after every step
        self.enter(Expected(shots, self.saved.names, seen))

    @invariant()
    def holds_what_it_should(self) -> None:
        session, now = self.session, self.now
        assert tuple((shot.shot_id, shot.label) for shot in session.shots) == now.shots
        assert session.labels == tuple(session.n_shots) == now.labels
        assert sum(session.n_shots.values()) == len(now.shots)
        assert (session.is_adapted, session.is_stale) == (now.names is not None, now.is_stale)
        assert (session.can_undo, session.version) == (bool(self.before), self.version)

    @invariant()
    def answers_for_the_classes_that_it_should(self) -> None:
        frame = self.pictures["red"][7]
        for is_adapted in (True, False):
            if self.now.names is None:
                with pytest.raises(AdaptationError, match="nothing to predict with"):
                    self.session.predict(frame, adapted=is_adapted)
                continue
            answer = self.session.predict(frame, adapted=is_adapted, allow_unknown=False)
            assert tuple(answer.scores) == self.now.names
            assert sum(answer.scores.values()) == pytest.approx(1.0, abs=1e-5)
            assert answer.label == answer.best

    @invariant()
    def knows_the_features_that_it_should(self) -> None:
        for is_adapted in (True, False):
            numbers = {number for number, _ in self.now.shots}
            if not numbers or (is_adapted and not numbers <= self.now.seen):
                with pytest.raises(AdaptationError, match=r"there are no shots|adapt first"):
                    self.session.support_features(adapted=is_adapted)
                continue
            features = self.session.support_features(adapted=is_adapted)
            assert len(features) == len(numbers)
            assert np.isfinite(features).all()


def test_a_session_is_what_its_edits_make_of_it(model: Model, pictures: Pictures, tmp_path: Path) -> None:
    run_state_machine_as_test(
        lambda: SessionInAnyOrder(model, pictures, tmp_path),
        settings=settings(max_examples=40, stateful_step_count=30, deadline=None),
    )
