"""The stand-in for TensorRT and pycuda, in each version that the project supports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from stand_in import ORIN_NANO, TENSORRT_VERSIONS, DeviceSpec, StandIn, install


@pytest.fixture(params=TENSORRT_VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each supported version of TensorRT."""
    return str(request.param)


@pytest.fixture
def device() -> DeviceSpec:
    """The GPU to be; a test that wants another one overrides this by parametrising it."""
    return ORIN_NANO


@pytest.fixture
def stand_in(version: str, device: DeviceSpec, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """TensorRT and pycuda, installed for the test, which fails when it misused them."""
    installed = install(monkeypatch, version, device)
    yield installed
    installed.check()


@pytest.fixture
def messages() -> list[str]:
    """What the library said to `logger`, as `SEVERITY: text`."""
    return []


@pytest.fixture
def logger(stand_in: StandIn, messages: list[str]) -> Any:
    """A logger of one's own, as a backend derives it."""

    class Logger(stand_in.tensorrt.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()

        def log(self, severity: Any, msg: str) -> None:
            messages.append(f"{severity.name}: {msg}")

    return Logger()


@pytest.fixture
def current(stand_in: StandIn) -> Iterator[Any]:
    """The primary context, current in the test's thread."""
    stand_in.driver.init()
    context = stand_in.driver.Device(0).retain_primary_context()
    context.push()
    yield context
    context.pop()
