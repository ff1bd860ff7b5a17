"""The soak: that it runs, that it sees a growth, and that it does not see one where there is none."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"


@pytest.fixture
def memory_trend(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("memory_trend")


def samples(mb_per_hour: float, *, noise_mb: float = 2.0, minutes: int = 30) -> list[tuple[float, float]]:
    rng = np.random.default_rng(0)
    times = np.arange(0, 60 * minutes, 5.0)
    return [(float(t), float(100 + mb_per_hour * t / 3600 + noise_mb * rng.normal())) for t in times]


def test_a_leak_of_twenty_megabytes_an_hour_is_seen(memory_trend: ModuleType) -> None:
    trend = memory_trend.trend_of(samples(20))

    assert trend.mb_per_hour == pytest.approx(20, abs=5)
    assert not trend.is_flat


def test_noise_is_not_taken_for_a_leak(memory_trend: ModuleType) -> None:
    trend = memory_trend.trend_of(samples(0))

    assert abs(trend.mb_per_hour) < trend.half_width + 2
    assert trend.is_flat
    assert trend.minutes == pytest.approx(30, abs=0.2)


def test_a_creep_below_one_percent_an_hour_counts_as_flat_and_its_course_is_told(memory_trend: ModuleType) -> None:
    creeping, growing = (memory_trend.trend_of(samples(slope, noise_mb=0.01)) for slope in (0.8, 1.2))

    assert creeping.mb_per_hour - creeping.half_width > 0
    assert (creeping.is_flat, growing.is_flat) == (True, False)
    assert list(creeping.tenths_mb) == sorted(creeping.tenths_mb)
    assert creeping.tenths_mb[0] == pytest.approx(100.02, abs=0.01)
    assert len(creeping.tenths_mb) == 10


def test_the_warm_up_is_left_out(memory_trend: ModuleType) -> None:
    warm = [(t, mb - 50 * max(0, 1 - t / 120)) for t, mb in samples(0)]

    assert memory_trend.trend_of(warm).mb_per_hour > 15
    assert abs(memory_trend.trend_of(warm, skip_s=120).mb_per_hour) < 5


def test_too_few_samples_are_refused(memory_trend: ModuleType) -> None:
    with pytest.raises(ValueError, match="too few for a trend; run longer"):
        memory_trend.trend_of(samples(0)[:2])


@pytest.mark.slow
@pytest.mark.rtsp
def test_half_a_minute_of_soaking_finds_nothing(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    if not importlib.import_module("flaky_camera").can_serve_rtsp():
        pytest.skip("needs gir1.2-gst-rtsp-server-1.0 and python3-gi for /usr/bin/python3")
    command = [
        sys.executable,
        str(BENCHMARKS / "soak_studio.py"),
        "--minutes",
        "0.5",
        "--outages",
        "1",
        "--down-s",
        "2",
    ]

    done = subprocess.run(
        [*command, "--bundle", str(tiny_bundle), "--json", str(tmp_path / "soak.json")],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "soak.json").read_text())
    assert result["is_good"]
    assert len(result["outages"]) == 1
    assert all(outage["recovery_s"] is not None for outage in result["outages"])
    assert min(result["pictures"]) > 0
