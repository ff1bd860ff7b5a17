"""Which GPUs a TensorRT takes, asked before anything is built."""

from __future__ import annotations

import re

import pytest

from hyperflow_export.engine import target
from hyperflow_export.engine.target import this_device
from hyperflow_runtime.backends.tensorrt.library import TensorRTLibrary
from hyperflow_runtime.engines.key import DeviceIdentity
from hyperflow_runtime.errors import BackendError


def _plug_in(monkeypatch: pytest.MonkeyPatch, name: str, capability: str) -> None:
    """Let CUDA show one GPU."""

    class Device:
        def __init__(self, index: int) -> None:
            self.identity = DeviceIdentity(name, capability, 132)

    monkeypatch.setattr(target, "CudaDevice", Device)


@pytest.mark.tensorrt
@pytest.mark.parametrize("capability", ["7.5", "8.6", "12.0", "12.1", "13.0"])
def test_tensorrt_for_rtx_takes_what_it_knows_and_what_is_newer(
    rtx: TensorRTLibrary, monkeypatch: pytest.MonkeyPatch, capability: str
) -> None:
    _plug_in(monkeypatch, "NVIDIA RTX", capability)

    assert this_device("tensorrt_rtx").compute_capabilities == (capability,)


@pytest.mark.tensorrt
@pytest.mark.parametrize("capability", ["7.0", "8.7", "9.0", "10.0"])
def test_tensorrt_for_rtx_refuses_other_gpus_at_once(
    rtx: TensorRTLibrary, monkeypatch: pytest.MonkeyPatch, capability: str
) -> None:
    _plug_in(monkeypatch, "NVIDIA H200", capability)

    with pytest.raises(
        BackendError, match=rf"does not run on NVIDIA H200 \({re.escape(capability)}.*75, .*121 and newer"
    ):
        this_device("tensorrt_rtx")
