"""Versions of the Python packages that a result depends on."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

__all__ = ["package_versions"]


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Version of each package that is installed; others are left out.

    Args:
        names: As on the package index.
    """
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
