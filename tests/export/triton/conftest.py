"""A bundle, a repository written from it, and Triton's own schema of configurations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperflow_export.triton.repository import write_repository
from hyperflow_runtime.bundle.reader import Bundle, read_bundle

Parse = Callable[[str], Any]


@pytest.fixture(scope="session")
def bundle(tiny_bundle: Path) -> Bundle:
    return read_bundle(tiny_bundle)


@pytest.fixture
def repository(bundle: Bundle, tmp_path: Path) -> Path:
    return write_repository(bundle, tmp_path / "models").repository


@pytest.fixture(scope="session")
def parse() -> Parse:
    """Read a configuration with the protobuf schema that Triton's client library brings."""
    schema = pytest.importorskip("tritonclient.grpc.model_config_pb2", reason="needs tritonclient and grpcio")
    text_format = pytest.importorskip("google.protobuf.text_format")
    return lambda text: text_format.Parse(text, schema.ModelConfig())


@pytest.fixture
def snapshot() -> Callable[[Path], dict[str, tuple[bytes, int]]]:
    """Give a function that notes content and time of every file below a folder."""
    return lambda folder: {
        str(file.relative_to(folder)): (file.read_bytes(), file.stat().st_mtime_ns)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
