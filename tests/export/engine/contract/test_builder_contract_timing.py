"""The timing cache between builds on one device, and one that TensorRT refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from stand_in import StandIn

from hyperflow_export.engine.ensuring import Ensured
from hyperflow_export.engine.settings import BuildSettings
from hyperflow_runtime.engines.cache import EngineCache

Builds = Callable[..., Ensured]


def _timing(cache: EngineCache) -> Path:
    (path,) = cache.folder.glob("timing-*.cache")
    return path


def _n_builds(cache: EngineCache) -> int:
    """How many builds the stand-in noted in the cache."""
    return int.from_bytes(_timing(cache).read_bytes()[6:10], "little")


def test_every_build_adds_to_what_earlier_ones_measured(builds: Builds, cache: EngineCache) -> None:
    builds()
    assert _n_builds(cache) == 1
    builds(graph="adapt")
    assert _n_builds(cache) == 2
    builds(force=True)
    assert _n_builds(cache) == 3


def test_without_a_timing_cache_none_is_written(builds: Builds, cache: EngineCache) -> None:
    builds(settings=BuildSettings(use_timing_cache=False))

    assert list(cache.folder.glob("timing-*")) == []


@pytest.mark.parametrize("spoilt", [b"", b"timing", b"no cache at all", b"timing\1\0\0\0another GPU"])
def test_a_torn_or_foreign_timing_cache_is_begun_anew(builds: Builds, cache: EngineCache, spoilt: bytes) -> None:
    builds()
    _timing(cache).write_bytes(spoilt)

    again = builds(force=True)

    assert again.was_built
    assert _n_builds(cache) == 1


def test_a_timing_cache_that_tensorrt_refuses_is_begun_anew(
    builds: Builds, stand_in: StandIn, cache: EngineCache
) -> None:
    builds()
    stand_in.faults.timing_cache = "Timing cache was written by another library"

    assert builds(force=True).was_built
    assert _n_builds(cache) == 1


def test_what_tensorrt_says_of_a_timing_cache_is_not_the_reason_of_a_later_failure(
    builds: Builds, stand_in: StandIn, cache: EngineCache
) -> None:
    builds()
    _timing(cache).write_bytes(b"no cache at all")
    stand_in.faults.build = "Error Code 10: Internal Error (Could not find any implementation for node conv1.)"

    with pytest.raises(Exception, match="Could not find any implementation") as raised:
        builds(force=True)
    assert "Timing cache" not in str(raised.value)
