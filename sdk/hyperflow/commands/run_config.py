"""Reading a run's configuration: a JSON file, and what the command line changes in it."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from hyperflow.errors import ConfigError

__all__ = ["read_run_config"]

Config = TypeVar("Config", bound=msgspec.Struct)


def read_run_config(kind: type[Config], path: Path | None, **changes: object) -> Config:
    """Read a configuration and apply changes that are not None.

    Raises:
        ConfigError: Not readable, an unknown field, or a value that cannot work.
    """
    try:
        config = kind() if path is None else msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a configuration of this command ({error})") from error
    return msgspec.structs.replace(config, **{name: value for name, value in changes.items() if value is not None})
