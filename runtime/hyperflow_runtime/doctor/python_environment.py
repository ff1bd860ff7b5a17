"""Python and where its packages come from."""

from __future__ import annotations

import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hyperflow_runtime._version import __version__
from hyperflow_runtime.board.reading import read_text
from hyperflow_runtime.doctor.finding import Finding

__all__ = ["examine_python", "hides_system_packages"]

_PACKAGES = ("numpy", "pillow", "msgspec")


def hides_system_packages(prefix: Path | None = None) -> bool:
    """Whether this is an environment without the system's packages, so that what JetPack brings is not seen.

    Args:
        prefix: Of the environment; this one's by default.
    """
    prefix = Path(sys.prefix) if prefix is None else prefix
    settings = read_text(prefix / "pyvenv.cfg")
    if settings is None:
        return (prefix / "conda-meta").is_dir()
    return re.search(r"^include-system-site-packages\s*=\s*true\s*$", settings, re.MULTILINE | re.IGNORECASE) is None


def examine_python(*, is_jetson: bool, prefix: Path | None = None) -> tuple[Finding, ...]:
    """Look at the interpreter, its environment, and what the runtime itself needs.

    Args:
        is_jetson: Whether the system's packages matter here.
        prefix: Of the environment; this one's by default.
    """
    interpreter = f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}"
    runtime = Finding("hyperflow-runtime", __version__)
    packages = (_package(name) for name in _PACKAGES)
    return runtime, Finding("Python", interpreter), _environment(is_jetson, prefix), *packages


def _environment(is_jetson: bool, prefix: Path | None) -> Finding:
    prefix = Path(sys.prefix) if prefix is None else prefix
    if not hides_system_packages(prefix):
        is_venv = (prefix / "pyvenv.cfg").is_file()
        return Finding("environment", f"{prefix}, with the system's packages" if is_venv else f"the system's, {prefix}")
    value = f"{prefix}, without the system's packages"
    if not is_jetson:
        return Finding("environment", value)
    return Finding(
        "environment", value, "problem",
        "JetPack's TensorRT and OpenCV are not seen from here; make the environment anew: "
        "python3 -m venv --system-site-packages ENVIRONMENT",
    )  # fmt: skip


def _package(name: str) -> Finding:
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:
        return Finding(name, "no record of its installation", "note", f"pip install {name}")
