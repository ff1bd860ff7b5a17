"""`hyperflow-export`: from a checkpoint to a bundle, and what can be asked of a bundle."""

from __future__ import annotations

import click

from hyperflow.commands.lazy_group import LazyGroup
from hyperflow.errors import HyperflowError
from hyperflow_export.errors import HyperflowExportError
from hyperflow_runtime._version import __version__
from hyperflow_runtime.errors import HyperflowRuntimeError

__all__ = ["main"]

_COMMANDS = {
    "bundle": "Export a checkpoint to a bundle, with proof of parity.",
    "verify": "Check a bundle's files, then its results in onnxruntime or its engines'.",
    "inspect": "Show what a bundle holds.",
    "benchmark": "Time a bundle's stages on this machine.",
    "engine": "Build TensorRT engines from a bundle, on the device or ahead of time.",
    "triton": "Write a bundle as models for Triton Inference Server.",
}


@click.group(
    cls=LazyGroup,
    package="hyperflow_export.commands",
    helps=_COMMANDS,
    errors=(HyperflowError, HyperflowRuntimeError, HyperflowExportError),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="hyperflow-export")
def main() -> None:
    """Export HyperFlow models to ONNX bundles that run on a device without torch.

    \b
    Example:
      hyperflow-export bundle models/small -o desk.hyperflow
      hyperflow-export verify desk.hyperflow
      hyperflow-export benchmark desk.hyperflow --batch 8

    Tab completion: eval "$(_HYPERFLOW_EXPORT_COMPLETE=bash_source hyperflow-export)"
    """
