"""The three parts that few-shot datasets divide their classes into."""

from __future__ import annotations

from typing import Literal

from hyperflow.errors import DataError

__all__ = ["SPLITS", "Split", "refuse_split"]

Split = Literal["TRAIN", "VALID", "TEST"]

SPLITS: tuple[Split, ...] = ("TRAIN", "VALID", "TEST")


def refuse_split(what: str, split: Split | None) -> None:
    """Say that a set is not divided.

    Args:
        what: Where the set lies.
        split: What was asked for.

    Raises:
        DataError: A split was asked for.
    """
    if split is not None:
        raise DataError(
            f"{what} has no {split} split: nothing there says which classes belong to it; ask for no split, or add a "
            'splits.json such as {"train": [...], "valid": [...], "test": [...]}'
        )
