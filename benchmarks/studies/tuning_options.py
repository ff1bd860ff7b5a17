"""Options of the studies that fine-tune. Loads no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
from study import numbers_of

__all__ = ["rates_of", "tuning_options"]


def rates_of(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[float, ...]:
    """Read learning rates, as a callback of an option: above 0, rising."""
    rates = numbers_of(ctx, parameter, value)
    if 0.0 in rates:
        raise click.BadParameter(f"rates must be above 0, got {value!r}; doing nothing is tried anyway")
    return rates


def _names(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",")) if value else ()


def tuning_options(function: Callable[..., None]) -> Callable[..., None]:
    """Options of the recipe and of the choice of its learning rate."""
    options = (
        click.option("--choose-on", type=click.Path(exists=True, path_type=Path), required=True,
                     help="Image sets that choose the learning rates; none of them may be evaluated."),
        click.option("--choose-sets", callback=_names, metavar="NAMES",
                     help="Only these sets of --choose-on, with commas between them."),
        click.option("--choose-episodes", type=click.IntRange(min=2), default=5, show_default=True,
                     help="Episodes of each of these sets."),
        click.option("--n-steps", type=click.IntRange(min=1), default=25, show_default=True, help="Adam steps."),
        click.option("--rates", default="0.001,0.003,0.01,0.03", show_default=True, callback=rates_of,
                     help="Learning rates to choose from for a subset, in units of the backbone."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function
