"""The inspector's own messages, on standard error."""

from __future__ import annotations

import logging

__all__ = ["LOG", "log_to_stderr"]

LOG = logging.getLogger("line_inspector")


def log_to_stderr() -> None:
    """Show messages, each on one line; the journal adds the time."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("line-inspector: %(levelname)s: %(message)s"))
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
