"""A stand-in for TensorRT and pycuda on machines without a GPU.

It checks names and the order of calls. The names are those of NVIDIA's own bindings, version by version
(tests/data/tensorrt_api): one that a version has not raises AttributeError, a call that its signature does not take
raises TypeError. What real CUDA answers with a crash, a leak or wrong numbers is noted in a ledger and stops the test.
Results are real: an engine holds the graph it was built from and runs it in onnxruntime, on the bytes that the caller
put at the addresses it named. What it cannot tell is how TensorRT rounds, fuses or fails on a real graph.
"""

from stand_in.device import ORIN_NANO, RTX_4090, DeviceSpec, Faults
from stand_in.installing import StandIn, install
from stand_in.ledger import Ledger, StandInMisuse
from stand_in.tables import TENSORRT_VERSIONS, members_of, pycuda_table, tensorrt_table

__all__ = [
    "ORIN_NANO", "RTX_4090", "TENSORRT_VERSIONS", "DeviceSpec", "Faults", "Ledger", "StandIn", "StandInMisuse",
    "install", "members_of", "pycuda_table", "tensorrt_table",
]  # fmt: skip
