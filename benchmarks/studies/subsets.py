"""Which parameters are worth adapting? Fine-tuning of several subsets, one recipe, the same episodes; no drift.

The learning rate of each is chosen on other sets than those evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from study import FOLDER, Study, StudyCommand, study_options
from tuning_options import rates_of, tuning_options

from hyperflow.errors import ConfigError

if TYPE_CHECKING:
    from tuning import Tuned

    from hyperflow.adapted.subset import Subset

__all__ = ["main"]

_NAMES = ("affine", "shift", "bias", "layer_norm", "qkv_bias", "affine_last_third", "low_rank", "all")


def _subset_of(name: str) -> Subset | None:
    from hyperflow.adapted.subset import Subset

    if name == "all":
        return None
    if name == "affine_last_third":
        return Subset("affine", first_depth=2 / 3)
    return Subset(name)  # type: ignore[arg-type]


def _draw(found: Mapping[str, Tuned], title: str, out: Path) -> None:
    from pictures import direct_transfer, dots, panels, save

    figure, (gains, seconds) = panels(1, 2, height_in=1.4 + 0.45 * len(found), title=title)
    rows = [f"{name}\n{one.n_parameters:,} parameters" for name, one in found.items()]
    dots(gains, rows, {"fine-tuned": [one.gain for one in found.values()]})
    direct_transfer(gains, upright=True)
    gains.set_xlabel("paired gain in accuracy, points")
    gains.legend(fontsize=7)
    seconds.barh(range(len(found)), [one.seconds for one in found.values()], color="C7", height=0.5)
    seconds.set_ylim(len(found) - 0.5, -0.5)
    seconds.set_yticks(range(len(found)), [""] * len(found))
    seconds.set_xlabel("time to adapt, median, s")
    save(figure, out)


@click.command(cls=StudyCommand)
@click.argument("checkpoint", type=FOLDER, required=False)
@click.option("--backbone", metavar="KIND:SOURCE", help="Instead of CHECKPOINT, as hyperflow start takes it.")
@click.option("--size-px", type=click.IntRange(16, 1024), help="Side of the input images, for --backbone.")
@click.option("--subset", "names", type=click.Choice(_NAMES), multiple=True, help="Only this one; may be given again.")
@study_options(episodes=30)
@tuning_options
@click.option("--plain-rates", default="0.00003,0.0001,0.0003,0.001", show_default=True, callback=rates_of,
              help="Learning rates to choose from where all weights move.")  # fmt: skip
def main(
    checkpoint: Path | None, backbone: str | None, size_px: int | None, names: tuple[str, ...], choose_on: Path,
    choose_sets: tuple[str, ...], choose_episodes: int, n_steps: int, rates: tuple[float, ...],
    plain_rates: tuple[float, ...], **options: Any,
) -> None:  # fmt: skip
    """Fine-tune several subsets of the network of CHECKPOINT, or of --backbone.

    \b
    Example:
      python benchmarks/studies/subsets.py models/small --data data/eval --choose-on data/train \\
        --choose-sets food10,sign_digits --json subsets.json --picture subsets.png
    """
    from study_episodes import evaluated_sets
    from tunable_models import choosing_sets, open_start
    from tuning import Choosing, arms_of, tune_all

    study = Study(**options)
    start, sets = open_start(checkpoint, backbone, size_px), evaluated_sets(study)
    choosing = Choosing(
        replace(study, episodes=choose_episodes), choosing_sets(choose_on, choose_sets, sets), rates, plain_rates
    )
    subsets = {name: _subset_of(name) for name in names or _NAMES}
    arms, left_out = arms_of(start, subsets, n_steps=n_steps, choosing=choosing, quiet=study.quiet)
    if not arms:
        raise ConfigError(f"none of {', '.join(subsets)} reaches a parameter of {start.name}; choose other subsets")
    found = tune_all(study, sets, arms, costs=True)
    if study.picture is not None:
        _draw(found, f"Fine-tuning {start.name}, {n_steps} steps (mean over {len(sets)} sets, 95% bars)", study.picture)
    study.write(
        {
            "model": start.name,
            "subsets": found,
            "left_out": left_out,
            "chosen_on": [one.name for one in choosing.sets],
        }
    )


if __name__ == "__main__":
    main()
