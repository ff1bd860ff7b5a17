"""Does adapting pay on other backbones? Direct transfer, and fine-tuning of two small subsets; no drift.

Every backbone answers the same episodes. A subset that a backbone does not have is left out, and named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from study import Study, StudyCommand, study_options
from tuning_options import tuning_options

from hyperflow.errors import ConfigError

if TYPE_CHECKING:
    from tuning import Choosing, Tuned

    from hyperflow.evaluation.statistics import Estimate
    from hyperflow.images.image_set import ImageSet

__all__ = ["main"]

_SUBSETS = ("affine", "qkv_bias")


class _Backbone(msgspec.Struct, frozen=True):
    """One backbone.

    Attributes:
        n_parameters: Of the whole network, BatchNorm folded.
        feature_dim: Size of a feature.
        size_px: Side of the input images.
        direct: Accuracy of direct transfer, mean over sets, in points.
        direct_of_sets: The same of each set.
        tuned: Fine-tuning of each subset that is there.
        left_out: Why, for each subset that is not.
    """

    n_parameters: int
    feature_dim: int
    size_px: int
    direct: Estimate
    direct_of_sets: dict[str, Estimate]
    tuned: dict[str, Tuned]
    left_out: dict[str, str]


def _measure(
    spec: str, size_px: int | None, study: Study, sets: list[ImageSet], choosing: Choosing, n_steps: int
) -> _Backbone:
    from tunable_models import open_start
    from tuning import arms_of, tune_all

    from hyperflow.adapted.subset import Subset

    start = open_start(None, spec, size_px)
    subsets: dict[str, Subset | None] = {name: Subset(name) for name in _SUBSETS}  # type: ignore[arg-type]
    arms, left_out = arms_of(start, subsets, n_steps=n_steps, choosing=choosing, quiet=study.quiet)
    if not arms:
        raise ConfigError(f"{spec} has none of the subsets {', '.join(_SUBSETS)}; leave it out")
    model, tuned = arms[0].model, tune_all(study, sets, arms, costs=False)
    direct = tuned[arms[0].name]
    return _Backbone(
        n_parameters=sum(parameter.numel() for parameter in model.backbone.network.parameters()),
        feature_dim=model.backbone.feature_dim,
        size_px=model.config.preprocessing.size_px,
        direct=direct.direct,
        direct_of_sets=direct.direct_of_sets,
        tuned=tuned,
        left_out=left_out,
    )


def _label(spec: str, one: _Backbone) -> str:
    kind, _, source = spec.partition(":")
    name = Path(source).stem if source else kind
    return f"{name if name == kind else f'{kind} {name}'}\n{one.n_parameters:,} parameters\n{one.size_px} px"


def _draw(found: Mapping[str, _Backbone], n_sets: int, out: Path) -> None:
    from pictures import direct_transfer, dots, panels, save

    title = f"Backbones, adapted by gradients (mean over {n_sets} sets, 95% bars)"
    figure, (direct, gains) = panels(1, 2, height_in=1.8 + 0.5 * len(found), title=title)
    rows = [_label(spec, one) for spec, one in found.items()]
    dots(direct, rows, {"direct transfer": [one.direct for one in found.values()]})
    direct.set_xlabel("accuracy of direct transfer, %")
    tuned = {name: [one.tuned[name].gain if name in one.tuned else None for one in found.values()] for name in _SUBSETS}
    dots(gains, rows, tuned)
    gains.set_yticks(range(len(rows)), [""] * len(rows))
    direct_transfer(gains, upright=True)
    gains.set_xlabel("paired gain of fine-tuning, points")
    gains.legend(fontsize=7)
    save(figure, out)


@click.command(cls=StudyCommand)
@click.option("--backbone", "backbones", metavar="KIND:SOURCE", multiple=True, required=True,
              help="As hyperflow start takes it; may be given again.")  # fmt: skip
@click.option("--size-px", type=click.IntRange(16, 1024), help="Side of the input images.  [default: as published]")
@study_options(episodes=30)
@tuning_options
def main(
    backbones: tuple[str, ...], size_px: int | None, choose_on: Path, choose_sets: tuple[str, ...],
    choose_episodes: int, n_steps: int, rates: tuple[float, ...], **options: Any,
) -> None:  # fmt: skip
    """Compare backbones on the same episodes, without and with fine-tuning.

    \b
    Example:
      python benchmarks/studies/backbones.py --backbone mobilenet_v2:mobilenetv2.npz --size-px 96 --data data/eval \\
        --choose-on data/train --choose-sets food10,sign_digits --json backbones.json --picture backbones.png
    """
    from study_episodes import evaluated_sets
    from tunable_models import choosing_sets
    from tuning import Choosing

    study = Study(**options)
    sets = evaluated_sets(study)
    choosing = Choosing(replace(study, episodes=choose_episodes), choosing_sets(choose_on, choose_sets, sets), rates)
    found = {spec: _measure(spec, size_px, study, sets, choosing, n_steps) for spec in dict.fromkeys(backbones)}
    if study.picture is not None:
        _draw(found, len(sets), study.picture)
    study.write({"backbones": found, "chosen_on": [one.name for one in choosing.sets]})


if __name__ == "__main__":
    main()
