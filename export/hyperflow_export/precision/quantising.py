"""Quantise and dequantise nodes in a backbone, placed and scaled by `onnxruntime.quantization`.

As TensorRT takes them: symmetric int8 with zero point 0, one scale for each output channel of a weight, one for a whole
activation, no quantised bias, and nothing on the outputs of products, whose scale and shift by theta follow.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantType
from onnxruntime.quantization.calibrate import PercentileCalibrater, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from hyperflow_export.precision.graph_view import GraphView

__all__ = ["activation_ranges", "quantisable_nodes", "quantised"]

_QUANTISABLE = ("Conv", "Gemm", "MatMul")
_PERCENTILE, _N_BINS = 99.999, 2048
_OPTIONS: dict[str, Any] = {
    "ActivationSymmetric": True,
    "WeightSymmetric": True,
    "QuantizeBias": False,
    "MatMulConstBOnly": True,
    "OpTypesToExcludeOutputQuantization": list(_QUANTISABLE),
    "QDQOpTypePerChannelSupportToAxis": {"MatMul": 1},
}

Feeds = Mapping[str, NDArray[np.float32]]


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, feeds: Iterable[Feeds]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> Any:
        return next(self._feeds, None)


def quantisable_nodes(view: GraphView) -> list[str]:
    """Names of the products of data with constant weights, in the graph's order."""
    from_data = view.downstream_of(name for name in view.inputs if name != "theta")
    return [
        node.name
        for node in view.nodes
        if node.op_type in _QUANTISABLE and node.input[0] in from_data and node.input[1] in view.constants
    ]


class _InputCalibrater(PercentileCalibrater):  # type: ignore[misc]
    """Looks at what goes into the products alone: what comes out of them is not quantised, and takes as long again."""

    def select_tensors_to_calibrate(self, model: onnx.ModelProto) -> tuple[set[str], dict[str, onnx.ValueInfoProto]]:
        tensors, infos = super().select_tensors_to_calibrate(model)
        read = {node.input[0] for node in model.graph.node if node.op_type in _QUANTISABLE}
        return tensors & read, infos


def activation_ranges(model: onnx.ModelProto, feeds: Iterable[Feeds]) -> TensorsData:
    """Run a graph and find the range of what goes into every product: all but one value in a hundred thousand.

    Args:
        model: From `load_graph`.
        feeds: Inputs by name, one run each.
    """
    with tempfile.TemporaryDirectory(prefix="hyperflow-calibration-") as folder:
        path, augmented = Path(folder) / "model.onnx", Path(folder) / "augmented.onnx"
        onnx.save(model, path)
        calibrator = _InputCalibrater(
            path, _QUANTISABLE, str(augmented), symmetric=True, num_bins=_N_BINS, percentile=_PERCENTILE
        )
        calibrator.augment_graph()
        calibrator.create_inference_session()
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress where `--json` has to stay clean
            for feed in feeds:  # one at a time: every intermediate result of a reader is kept in memory
                calibrator.collect_data(_Reader([feed]))
            return calibrator.compute_data()


def quantised(model: onnx.ModelProto, ranges: TensorsData, nodes: Collection[str]) -> onnx.ModelProto:
    """Quantise the inputs and weights of some products.

    Args:
        model: From `load_graph`; not changed.
        ranges: Of `activation_ranges`.
        nodes: Names of products; all others stay as they are.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if not nodes:
        return copy
    quantizer = QDQQuantizer(
        copy, True, False, QuantType.QInt8, QuantType.QInt8, ranges, list(nodes), [], list(_QUANTISABLE), _OPTIONS
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    made: onnx.ModelProto = quantizer.model.model
    return made
