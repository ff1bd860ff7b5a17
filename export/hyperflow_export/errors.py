"""Every error that `hyperflow_export` raises on purpose."""

from __future__ import annotations

__all__ = [
    "EngineBuildError",
    "ExportError",
    "HyperflowExportError",
    "OutputExistsError",
    "ParityError",
    "PrecisionError",
]


class HyperflowExportError(Exception):
    """Root of all errors of this package: catch it to catch them all."""


class ExportError(HyperflowExportError):
    """A graph cannot be exported, or a bundle cannot be written."""


class OutputExistsError(HyperflowExportError):
    """The output is already there and was not to be replaced."""


class ParityError(HyperflowExportError):
    """Exported graphs do not compute what the training network, or the bundle's reference, does."""


class EngineBuildError(HyperflowExportError):
    """A TensorRT engine cannot be built as asked, or its results were never compared or differ."""


class PrecisionError(EngineBuildError):
    """A graph or a built engine computes in another precision than the bundle says."""
