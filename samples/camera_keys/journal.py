"""What happened, told once: on the standard output, and for a moment over the picture."""

from __future__ import annotations

import json

import click

__all__ = ["Journal"]

_SHOWN_S = 2.5


class Journal:
    """Events of a run, each with the number of the frame and its time."""

    def __init__(self, *, as_json: bool, is_silent: bool) -> None:
        """Choose how events are printed.

        Args:
            as_json: One JSON object a line.
            is_silent: Print nothing.
        """
        self._as_json, self._is_silent = as_json, is_silent
        self._index, self._at_s = 0, 0.0
        self._shown, self._shown_until_s = "", 0.0

    def turn_to(self, index: int, at_s: float) -> None:
        """Say which frame, and how many seconds after the first, the next events belong to."""
        self._index, self._at_s = index, at_s

    def say(self, event: str, text: str, *, is_shown: bool = True, **facts: object) -> None:
        """Tell of an event.

        Args:
            event: What kind it is, for programs: "shot", "saved", "label".
            text: A short line for people.
            is_shown: Whether it is worth a line over the picture.
            facts: Whatever a program may want to know besides.
        """
        if is_shown:
            self._shown, self._shown_until_s = text, self._at_s + _SHOWN_S
        if self._is_silent:
            return
        if self._as_json:
            head = {"event": event, "frame": self._index, "time_s": round(self._at_s, 3), "text": text}
            click.echo(json.dumps(head | facts, ensure_ascii=False))
        else:
            click.echo(f"{self._at_s:7.2f} s  {text}")

    @property
    def message(self) -> str:
        """The line to show over the picture now; empty for none."""
        return self._shown if self._at_s < self._shown_until_s else ""
