"""`hyperflow-runtime`: what can be asked of a device, and of a bundle on it."""

from __future__ import annotations

import sys
from typing import Any

import click

from hyperflow_runtime._version import __version__
from hyperflow_runtime.commands.benchmark import command as benchmark
from hyperflow_runtime.commands.camera import command as camera
from hyperflow_runtime.commands.doctor import command as doctor
from hyperflow_runtime.errors import HyperflowRuntimeError

__all__ = ["main"]


class _ShortErrors(click.Group):
    """The runtime's own errors, and the system's, become one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except HyperflowRuntimeError as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            raise
        except OSError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("Interrupted; nothing half-written was left in place.", err=True)
            sys.exit(130)


@click.group(cls=_ShortErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hyperflow-runtime")
def main() -> None:
    """Look at a device that runs HyperFlow bundles: is everything there, and how fast is it?

    \b
    Example:
      hyperflow-runtime doctor
      hyperflow-runtime doctor --bundle desk.hyperflow
      hyperflow-runtime benchmark desk.hyperflow --store references
      hyperflow-runtime camera /dev/video0 --snapshot desk.jpg

    \b
    Tab completion:
      eval "$(_HYPERFLOW_RUNTIME_COMPLETE=bash_source hyperflow-runtime)"
    """


main.add_command(doctor)
main.add_command(benchmark)
main.add_command(camera)
