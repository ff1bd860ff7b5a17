"""Memory of one drift, counted instead of measured: it is below what the kernel's counters resolve."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from memory import MB

from hyperflow_runtime.bundle.reader import Bundle

__all__ = ["drift_weights_mb", "drift_working_mb"]


def drift_weights_mb(bundle: Bundle) -> float:
    """Weights of the drift network, which stay resident while a bundle is open; fine-tuning has no such network."""
    return len(bundle.adapt_onnx) / MB


def drift_working_mb(bundle: Bundle, n_way: int, n_shot: int) -> float:
    """Size of all that the drift computes from weights and support, as if nothing of it were ever freed or reused.

    The true need is less, as an engine frees a tensor after its last use.

    Args:
        bundle: Holds the drift's graph.
        n_way: Classes.
        n_shot: Shots a class.
    """
    model = onnx.load_from_string(bundle.adapt_onnx)
    declared = {output.name for output in model.graph.output}
    computed = [name for node in model.graph.node for name in node.output if name and name not in declared]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in computed)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feeds = {
        "features": np.ones((n_way * n_shot, bundle.manifest.feature_dim), np.float32),
        "labels_onehot": np.eye(n_way, dtype=np.float32).repeat(n_shot, axis=0),
        "step_size": np.array(1.0, np.float32),
    }
    return float(sum(np.asarray(value).nbytes for value in session.run(None, feeds))) / MB
