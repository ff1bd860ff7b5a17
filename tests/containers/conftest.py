"""Where the things to check are."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def _load(path: Path, name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def dockerfiles() -> ModuleType:
    """The reader beside this file."""
    return _load(Path(__file__).with_name("dockerfiles.py"), "containers_dockerfiles")


@pytest.fixture
def scripts_path(monkeypatch: pytest.MonkeyPatch) -> Path:
    """`scripts/`, from which the proofs import their parts."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return ROOT / "scripts"
