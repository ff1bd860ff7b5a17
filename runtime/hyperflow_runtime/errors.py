"""Every error that `hyperflow_runtime` raises on purpose."""

from __future__ import annotations

__all__ = [
    "AdaptationError",
    "AdaptationFileError",
    "BackendError",
    "BenchmarkError",
    "BundleError",
    "CameraError",
    "EngineError",
    "FrameError",
    "HyperflowRuntimeError",
    "QueueFullError",
    "SupportError",
]


class HyperflowRuntimeError(Exception):
    """Root of all errors of this package: catch it to catch them all."""


class BundleError(HyperflowRuntimeError):
    """A bundle is missing, torn, changed, hostile or of another schema."""


class BackendError(HyperflowRuntimeError):
    """A backend is not installed, refuses a graph, or is used after `close`."""


class EngineError(BackendError):
    """An engine is absent, torn, of another device or version, not tested here, or its cache cannot be used."""


class FrameError(HyperflowRuntimeError):
    """A camera frame or an image file cannot be used."""


class CameraError(HyperflowRuntimeError):
    """A camera's address is wrong, or the camera is absent, busy, gone, or gives no pictures."""


class SupportError(HyperflowRuntimeError):
    """A change of the support set is not possible: unknown shot or class, a limit, a bad label."""


class QueueFullError(SupportError):
    """Shots come faster than they are encoded; slow down, or wait."""


class AdaptationError(HyperflowRuntimeError):
    """Adapting or predicting is not possible in the session's present state."""


class AdaptationFileError(HyperflowRuntimeError):
    """An adaptation file cannot be written, or is torn, hostile, or of another bundle."""


class BenchmarkError(HyperflowRuntimeError):
    """A stored result of a benchmark cannot be read or written, or is not to be compared with another."""
