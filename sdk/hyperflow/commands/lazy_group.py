"""A click group that knows its commands by name and loads a module only when its command runs.

`--help` then needs neither torch nor a second. Both commands of the project use it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

__all__ = ["LazyGroup"]


class LazyGroup(click.Group):
    """Commands from the modules of one package; the project's own errors become one line and exit code 1."""

    def __init__(
        self, *args: Any, package: str, helps: Mapping[str, str], errors: tuple[type[Exception], ...], **kwargs: Any
    ) -> None:
        """Name the commands.

        Args:
            args: As click takes them.
            package: Package whose modules each hold a `command`.
            helps: One-line help of each module's command, in the order to show.
            errors: Errors that are reported as one line.
            kwargs: As click takes them.
        """
        super().__init__(*args, **kwargs)
        self._package, self._helps, self._errors = package, dict(helps), errors

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._helps)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._helps:
            return None
        command: click.Command = import_module(f"{self._package}.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self._helps.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except self._errors as error:
            raise click.ClickException(str(error)) from error
        except ModuleNotFoundError as error:
            raise click.ClickException(f"{error.name} is not installed; pip install 'hyperflow[export]'") from error
        except BrokenPipeError:
            raise
        except OSError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("Interrupted; nothing half-written was left in place.", err=True)
            sys.exit(130)
