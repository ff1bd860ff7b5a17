"""Ctrl-C during a long call."""

from __future__ import annotations

import os
import signal
import time
from threading import Event

import pytest

from hyperflow_export.engine.interruption import run_interruptibly


def test_what_the_work_gives_comes_back() -> None:
    assert run_interruptibly(lambda cancelled: (time.sleep(0.25), cancelled.is_set())[1]) is False


@pytest.mark.parametrize("error", [ValueError("bad"), TimeoutError("slow"), MemoryError()])
def test_what_the_work_raises_comes_out(error: Exception) -> None:
    def work(cancelled: Event) -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        run_interruptibly(work)
    assert raised.value is error


def test_ctrl_c_tells_the_work_and_waits_for_its_end_even_when_pressed_again() -> None:
    ended = []

    def work(cancelled: Event) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        assert cancelled.wait(10)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)
        ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        run_interruptibly(work)
    assert ended == [True]
