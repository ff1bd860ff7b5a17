"""Labels from the csv files of ISIC and ChestX."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path

from hyperflow.errors import DataError

__all__ = ["read_labels"]

_MAX_CSV_BYTES = 1 << 28  # ChestX's has 8 MB


def read_labels(
    path: Path, id_column: str, columns: tuple[str, ...], label_of: Callable[[Mapping[str, str]], str | None]
) -> dict[str, str]:
    """Read the label of each image of a csv file with a header.

    Args:
        path: The file.
        id_column: Column of the image's name.
        columns: Other columns that must be there.
        label_of: Turns a row into a label; None leaves the image out.

    Returns:
        Image name, a plain file name with or without suffix, to label, in the order of the file.

    Raises:
        DataError: A column is missing, a row is torn, or an image's name is a path.
    """
    labels: dict[str, str] = {}
    try:
        if path.stat().st_size > _MAX_CSV_BYTES:
            raise DataError(f"{path} has more than {_MAX_CSV_BYTES:,} bytes, so it is no list of labels")
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in (id_column, *columns) if name not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path} has no column {', '.join(missing)}; download it again")
            for row in reader:
                if any(row[name] is None for name in (id_column, *columns)):
                    raise DataError(f"{path} line {reader.line_num} is torn; download it again")
                label = label_of(row)
                if label is not None:
                    labels[_file_name(path, reader.line_num, row[id_column])] = label
    except (csv.Error, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{path} is not a readable csv file ({error}); download it again") from error
    return labels


def _file_name(path: Path, line: int, name: str) -> str:
    if not name or name.startswith(".") or any(sign in name for sign in "/\\\0"):
        raise DataError(f"{path} line {line} names {name!r}, which is no plain file name; download it again")
    return name
