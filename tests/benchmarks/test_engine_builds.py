"""The benchmark of engine builds, on the tiny bundle."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hyperflow_runtime.backends.tensorrt.library import load_library
from hyperflow_runtime.errors import BackendError

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.tensorrt
def test_every_graph_is_weighed_for_each_capability_and_for_all(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        load_library("tensorrt_rtx")
    except BackendError as error:
        pytest.skip(f"needs TensorRT for RTX: {error}")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    main = importlib.import_module("engine_builds").main
    words = [
        "--bundle",
        tiny_bundle,
        "--compute-capability",
        "86,89",
        "--repetitions",
        1,
        "--json",
        tmp_path / "out.json",
    ]

    done = CliRunner().invoke(main, list(map(str, words)), catch_exceptions=False)

    assert done.exit_code == 0
    result = json.loads((tmp_path / "out.json").read_text())
    graphs = ("backbone", "backbone, theta constant", "adapt")
    assert [(build["graph"], build["capabilities"]) for build in result["builds"]] == [
        (graph, capabilities) for graph in graphs for capabilities in (["8.6"], ["8.9"], ["8.6", "8.9"])
    ]
    for build in result["builds"]:
        assert build["plan_mb"] > build["onnx_mb"] > 0
        assert set(build["products"]) == {"fp32"}
    sizes = {(build["graph"], tuple(build["capabilities"])): build["plan_mb"] for build in result["builds"]}
    extra = max(sizes["backbone", key] - sizes["backbone, theta constant", key] for _, key in sizes if _ == "backbone")
    assert result["theta_input_extra_mb"]["tiny"] == pytest.approx(extra, abs=1e-3)
    assert "tiny: theta as an input adds" in done.output
