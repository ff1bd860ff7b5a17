"""However appending, delivering and crashing are mixed: every event reaches every sink, in order."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from delivery.spool import Spool

SINKS = ("a", "b")


class SpoolUnderCrashes(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.n_starts, self.appended = 0, list[str]()
        self.received: dict[str, list[str]] = {name: [] for name in SINKS}
        self.spool = self.start()

    def start(self) -> Spool:
        return Spool(self.root / str(self.n_starts), SINKS, max_bytes=10**7, on_trouble=self.fail)

    def fail(self, message: str) -> None:
        raise AssertionError(message)

    @rule(size=st.integers(0, 3000))
    def append(self, size: int) -> None:
        self.appended.append(f"e{len(self.appended)}")
        self.spool.append(self.appended[-1], b"x" * size)

    @rule(sink=st.sampled_from(SINKS), limit=st.integers(1, 5), is_noted=st.booleans())
    def deliver(self, sink: str, limit: int, is_noted: bool) -> None:
        """The receiver has them; with `is_noted` False the crash comes before the spool hears of it."""
        events = self.spool.waiting(sink, limit)
        self.received[sink] += [event.id for event in events]
        if is_noted and events:
            self.spool.settle(sink, events[-1].position)
        elif events:
            self.crash()

    @rule()
    def crash(self) -> None:
        """What a kill leaves is what the files hold at that moment."""
        shutil.copytree(self.root / str(self.n_starts), self.root / str(self.n_starts + 1))
        self.spool.close()
        self.n_starts += 1
        self.spool = self.start()

    @rule()
    @precondition(lambda self: self.appended)
    def stop_and_start(self) -> None:
        self.spool.close()
        self.spool = self.start()

    def teardown(self) -> None:
        for sink in SINKS:
            while events := self.spool.waiting(sink, 3):
                self.received[sink] += [event.id for event in events]
                self.spool.settle(sink, events[-1].position)
            once = list(dict.fromkeys(self.received[sink]))
            assert once == self.appended
        assert self.spool._n_bytes == 0
        self.spool.close()
        shutil.rmtree(self.root)


TestSpoolUnderCrashes = SpoolUnderCrashes.TestCase
TestSpoolUnderCrashes.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
