"""Names of a bundle's models in a repository."""

from __future__ import annotations

import re

from hyperflow_export.errors import ExportError

__all__ = ["adapt_model", "backbone_model", "checked_name"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def checked_name(name: str) -> str:
    """Return a name that is safe as a folder and as a part of a URL.

    Raises:
        ExportError: It is not.
    """
    if _NAME.fullmatch(name) is None:
        raise ExportError(
            f"{name[:100]!r} cannot name a model: a name is 1 to 100 letters, digits, '.', '_' and '-', and begins "
            "with a letter or digit; choose one with --name"
        )
    return name


def backbone_model(name: str) -> str:
    """Name of the model that encodes images."""
    return f"{name}_backbone"


def adapt_model(name: str) -> str:
    """Name of the model that moves theta."""
    return f"{name}_adapt"
