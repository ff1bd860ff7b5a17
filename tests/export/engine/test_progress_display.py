"""Bars of a build's phases."""

from __future__ import annotations

import io

from rich.console import Console

from hyperflow_export.engine.progress_display import shown_phases


def _console(*, is_terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=100)


def test_nothing_is_shown_where_there_is_no_terminal() -> None:
    console = _console(is_terminal=False)

    with shown_phases(console) as listener:
        assert listener is None
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]


def test_phases_are_shown_below_their_parents_with_their_steps() -> None:
    console = _console(is_terminal=True)

    with shown_phases(console) as listener:
        assert listener is not None
        listener.start("Building engine", None, 6)
        listener.start("Timing [graph] nodes", "Building engine", 40)
        listener.step("Timing [graph] nodes", 30)

    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "Building engine" in shown
    assert "  Timing [graph] nodes" in shown
    assert "31/40" in shown


def test_phases_may_come_again_and_end_in_any_order() -> None:
    with shown_phases(_console(is_terminal=True)) as listener:
        assert listener is not None
        for _ in range(2):
            listener.start("outer", None, 1)
            listener.start("inner", "outer", 1)
        listener.finish("outer")
        listener.finish("inner")
        listener.finish("never started")
        listener.step("outer", 0)
