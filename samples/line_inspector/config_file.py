"""Options in a TOML file: the same names as on the command line, without the dashes in front."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import click
import msgspec

__all__ = ["read_config"]


def read_config(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    """Make the file's values the defaults of the other options. A callback for an eager click option.

    Raises:
        click.BadParameter: The file cannot be read, names an option that does not exist, or gives it a list or table.
    """
    if path is None:
        return
    names = _names(context.command)
    defaults: dict[str, Any] = {}
    for key, value in _values(path).items():
        option = key.replace("_", "-")
        if option not in names:
            close = difflib.get_close_matches(option, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(sorted(names))}"
            raise click.BadParameter(f"{path} has an option {key!r:.80} that there is not; {hint}")
        if not isinstance(value, (str, int, float, bool)):
            raise click.BadParameter(f"{path}: {key} must be a text, a number, true or false, got {value!r:.80}")
        defaults[names[option]] = value
    context.default_map = {**(context.default_map or {}), **defaults}


def _names(command: click.Command) -> dict[str, str]:
    """Option as written -> parameter, but for those that end the command or name the file itself."""
    return {
        option.removeprefix("--"): parameter.name
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name and not parameter.is_eager
        for option in parameter.opts
    }


def _values(path: Path) -> dict[str, Any]:
    try:
        return msgspec.toml.decode(path.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise click.BadParameter(f"{path} cannot be read ({error.strerror})") from error
    except ImportError as error:
        raise click.BadParameter(f"{path} needs Python 3.11, or `pip install tomli` before it") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{path} is no TOML file ({error})") from error
