"""`hyperflow-export`: from a checkpoint to a bundle, and what can be asked of a bundle."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from hyperflow_runtime._version import __version__

__all__ = ["main"]

_COMMANDS = {
    "bundle": "Export a checkpoint to a bundle, with proof of parity.",
    "verify": "Check a bundle's files, then its results against its reference data.",
    "inspect": "Show what a bundle holds.",
    "benchmark": "Time a bundle's stages on this machine.",
}


class _LazyGroup(click.Group):
    """Names and one-line helps without importing a command; the module is loaded when its command is."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"hyperflow_export.commands.{name}").command
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def invoke(self, context: click.Context) -> Any:
        from hyperflow.errors import HyperflowError
        from hyperflow_export.errors import HyperflowExportError
        from hyperflow_runtime.errors import HyperflowRuntimeError

        try:
            return super().invoke(context)
        except (HyperflowError, HyperflowRuntimeError, HyperflowExportError) as error:
            raise click.ClickException(str(error)) from error
        except ModuleNotFoundError as error:
            raise click.ClickException(f"{error.name} is not installed; pip install 'hyperflow[export]'") from error


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hyperflow-export")
def main() -> None:
    """Export HyperFlow models to ONNX bundles that run on a device without torch.

    \b
    Example:
      hyperflow-export bundle models/default -o desk.hyperflow
      hyperflow-export verify desk.hyperflow
      hyperflow-export benchmark desk.hyperflow --batch 8

    Tab completion: eval "$(_HYPERFLOW_EXPORT_COMPLETE=bash_source hyperflow-export)"
    """
