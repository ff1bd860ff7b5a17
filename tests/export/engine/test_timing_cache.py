"""The timing cache of earlier builds, through the bindings of TensorRT for RTX, which still take one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hyperflow_export.engine.network import ParsedGraph, parse_graph
from hyperflow_export.engine.timing_cache import attach_timing_cache, save_timing_cache
from hyperflow_runtime.backends.tensorrt.library import TensorRTLibrary
from hyperflow_runtime.backends.tensorrt.logger import make_logger
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.errors import EngineError

pytestmark = [pytest.mark.tensorrt, pytest.mark.filterwarnings("ignore:Use Deprecated in TensorRT-RTX")]


@pytest.fixture
def parsed(rtx: TensorRTLibrary, bundle: Bundle) -> ParsedGraph:
    """The tiny backbone."""
    return parse_graph(rtx, bundle.backbone_onnx, "backbone.onnx")


@pytest.fixture
def config(parsed: ParsedGraph) -> Any:
    """Of a build."""
    return parsed.builder.create_builder_config()


@pytest.mark.parametrize("data", [None, b"", b"torn", b"\0" * 1000])
def test_an_absent_or_torn_cache_is_as_good_as_an_empty_one(
    rtx: TensorRTLibrary, config: Any, tmp_path: Path, data: bytes | None
) -> None:
    path, log = tmp_path / "engines/timing.cache", make_logger(rtx)
    if data is not None:
        path.parent.mkdir()
        path.write_bytes(data)

    attach_timing_cache(config, path, log)

    assert config.get_timing_cache() is not None
    assert log.errors == ()


def test_what_was_saved_is_taken_again(rtx: TensorRTLibrary, config: Any, tmp_path: Path) -> None:
    path, log = tmp_path / "engines/timing.cache", make_logger(rtx)
    attach_timing_cache(config, path, log)

    save_timing_cache(config, path)
    attach_timing_cache(config, path, log)

    assert path.stat().st_size > 0
    assert [other.name for other in path.parent.iterdir()] == ["timing.cache"]


def test_no_cache_in_use_writes_nothing(config: Any, tmp_path: Path) -> None:
    save_timing_cache(config, tmp_path / "timing.cache")

    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_others_may_write_is_not_read(rtx: TensorRTLibrary, config: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    with pytest.raises(EngineError, match="may be written by other users"):
        attach_timing_cache(config, tmp_path / "timing.cache", make_logger(rtx))
