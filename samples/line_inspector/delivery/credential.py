"""Passwords and keys: from a file or the environment, never from the command line."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["CredentialError", "credential"]

_MOST_BYTES = 16_384


class CredentialError(ValueError):
    """A password or key cannot be read or used."""


def credential(file: Path | None, variable: str) -> str | None:
    """Read a password or key.

    Args:
        file: Holds it, on one line; None to look into the environment.
        variable: Name in the environment.

    Returns:
        The text; None when there is neither.

    Raises:
        CredentialError: The file cannot be read, or what it holds is empty or more than one line. The text itself is
            in no message.
    """
    if file is not None:
        text, where = _read(file).removesuffix("\n").removesuffix("\r"), str(file)
    elif variable in os.environ:
        text, where = os.environ[variable], variable
    else:
        return None
    if not text or not text.isprintable():
        raise CredentialError(f"{where} must hold one line of printable characters; it is empty, or holds others")
    return text


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(_MOST_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialError(f"{file} cannot be read ({error}); give a file with one line of text") from error
