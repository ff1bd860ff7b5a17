"""onnxruntime as the runtime opens it, without the runtime around it."""

from __future__ import annotations

import onnxruntime

__all__ = ["open_bare_session"]


def open_bare_session(model: bytes, n_threads: int) -> onnxruntime.InferenceSession:
    """Open a graph with the options of `hyperflow_runtime.backends.onnxruntime`.

    Args:
        model: Serialised ModelProto.
        n_threads: Threads a run may use.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = n_threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
