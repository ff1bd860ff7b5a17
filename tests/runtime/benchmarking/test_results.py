"""Results of a benchmark: stored, read, and held against each other."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperflow_runtime.benchmarking.comparing import compare_reports, differences
from hyperflow_runtime.benchmarking.report import BenchmarkReport, TimedBundle
from hyperflow_runtime.benchmarking.running import run_benchmark
from hyperflow_runtime.benchmarking.settings import BenchmarkSettings
from hyperflow_runtime.benchmarking.stages import stages_of
from hyperflow_runtime.benchmarking.storing import read_report, reference_path, write_report
from hyperflow_runtime.board.power import PowerMode
from hyperflow_runtime.bundle.reader import read_bundle
from hyperflow_runtime.errors import BenchmarkError, SupportError
from hyperflow_runtime.measuring import StageLatency
from hyperflow_runtime.model import Model

SMALL = BenchmarkSettings(n_way=2, n_shot=2, frame_px=(64, 48), repetitions=3, warm_up=1, n_threads=1)
STAGES = ["encode, batch 1", "encode, batch 4", "drift", "adapt without guard", "adapt", "predict", "shutter to ready"]
replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def report(tiny_bundle: Path) -> BenchmarkReport:
    return run_benchmark(tiny_bundle, "onnxruntime", SMALL)


def scaled(report: BenchmarkReport, factor: float) -> BenchmarkReport:
    stages = [replace(stage, p50_ms=stage.p50_ms * factor) for stage in report.stages]
    return replace(report, stages=tuple(stages))


def test_every_stage_is_timed(report: BenchmarkReport) -> None:
    assert [stage.name for stage in report.stages] == STAGES
    assert all(0 < stage.p50_ms <= stage.p95_ms <= stage.p99_ms for stage in report.stages)
    assert report.open_ms > 0
    assert (report.backend, report.backend_name) == ("onnxruntime", "onnxruntime (CPU)")
    assert report.bundle.name == "tiny"
    assert {"python", "numpy", "onnxruntime"} <= set(report.software)


def test_the_stage_that_learns_a_picture_does_so_each_time_and_takes_it_back(tiny_bundle: Path) -> None:
    from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend

    bundle = read_bundle(tiny_bundle)
    backend = OnnxRuntimeBackend(bundle, n_threads=1)
    with Model(bundle, backend) as model:
        shutter = stages_of(model, backend, bundle, SMALL)["shutter to ready"]
        session = shutter.run.__self__._session  # type: ignore[attr-defined]
        before = session.n_shots
        for _ in range(3):
            shutter.run()
            assert session.n_shots == {"class 0": 2, "class 1": 2}
            assert set(session.predict(np.zeros((48, 64, 3), np.uint8)).scores) == {"class 0", "class 1"}
            shutter.put_back()
            assert session.n_shots == before == {"class 0": 2, "class 1": 1}


def test_more_than_the_bundle_is_for_is_refused(tiny_bundle: Path) -> None:
    most = read_bundle(tiny_bundle).manifest.limits.max_support

    with pytest.raises(SupportError, match=f"the bundle's limit of {most}"):
        run_benchmark(tiny_bundle, "onnxruntime", replace(SMALL, n_shot=most))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_way": 1}, "n_way must be at least 2, got 1"),
        ({"batch": 0}, "batch must be at least 1, got 0"),
        ({"warm_up": -1}, "warm_up must be at least 0, got -1"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BenchmarkSettings(**wrong)


def test_a_result_is_stored_by_board_bundle_and_backend_and_read_as_it_was(
    report: BenchmarkReport, tmp_path: Path
) -> None:
    path = reference_path(tmp_path / "references", report)
    for _ in range(2):  # the second time in the place of the first
        write_report(path, report)

    assert path == tmp_path / "references" / report.board.slug / "runtime-tiny-onnxruntime.json"
    assert read_report(path) == report
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@given(name=st.text(max_size=300))
def test_no_name_of_a_bundle_leads_out_of_the_folder(report: BenchmarkReport, name: str) -> None:
    folder = Path("/references")
    path = reference_path(folder, replace(report, bundle=TimedBundle(name, "")))

    assert path.parent.parent == folder
    assert len(path.name) < 255


def test_a_folder_that_cannot_be_made_is_named(report: BenchmarkReport, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(BenchmarkError, match=r"file/a\.json cannot be written \(.+\); choose another place"):
        write_report(tmp_path / "file" / "a.json", report)


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 100_000, b"\xff", b'{"schema": 2}'], ids=lambda data: data[:5])
def test_what_is_no_result_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(data)

    with pytest.raises(BenchmarkError, match=r"a\.json is no result of hyperflow-runtime benchmark \("):
        read_report(tmp_path / "a.json")


def test_a_missing_result_is_named_with_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"no stored result at .+; hyperflow-runtime benchmark BUNDLE --store"):
        read_report(tmp_path / "a.json")


@pytest.mark.parametrize(("factor", "passed"), [(1.0, True), (1.29, True), (1.31, False), (0.1, True)])
def test_a_stage_fails_above_the_tolerance(factor: float, passed: bool, report: BenchmarkReport) -> None:
    comparison = compare_reports(scaled(report, factor), report, tolerance=1.3)

    assert comparison.passed is passed
    assert [stage.name for stage in comparison.stages] == STAGES
    assert all(stage.ratio == pytest.approx(factor) for stage in comparison.stages)
    assert comparison.differences == ()


def test_one_slow_stage_is_enough(report: BenchmarkReport) -> None:
    drift = replace(report.stages[2], p50_ms=report.stages[2].p50_ms * 2)
    now = replace(report, stages=(*report.stages[:2], drift, *report.stages[3:]))

    comparison = compare_reports(now, report, tolerance=1.3)

    assert [stage.name for stage in comparison.stages if stage.is_slower] == ["drift"]
    assert not comparison.passed


def test_stages_that_one_result_lacks_are_left_out(report: BenchmarkReport) -> None:
    other = replace(report, stages=(StageLatency("encode, batch 9", 1.0, 1.0, 1.0, 1.0, 1.0),))

    assert not compare_reports(report, other, tolerance=1.3).passed


def test_what_makes_results_differ_by_itself_is_said(report: BenchmarkReport) -> None:
    other = replace(
        report,
        board=replace(report.board, slug="raspberry-pi-5-8-gb"),
        conditions=replace(report.conditions, power_mode=PowerMode("15W")),
        bundle=TimedBundle("other", "f" * 64),
        settings=replace(report.settings, n_shot=1, n_threads=None),
        software={},
    )

    assert differences(report, other) == (
        f"board raspberry-pi-5-8-gb -> {report.board.slug}",
        "power mode 15W -> none",
        "bundle other -> tiny",
        f"graphs ffffffffffff -> {report.bundle.graphs_sha256[:12]}",
        "shape 2-way 1-shot, batch 2, 64x48 px -> 2-way 2-shot, batch 4, 64x48 px",
        "threads all -> 1",
    )
