"""Choose rate and steps of fine-tuning on meta-validation sets, for `hyperflow evaluate --recipes`."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec
import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch.nn import functional

from hyperflow.checkpoint import load_checkpoint
from hyperflow.datasets.opening import open_datasets
from hyperflow.episodes.fixed import FixedProtocol
from hyperflow.evaluation.recipes import Recipes
from hyperflow.images.image_set import ImageSet
from hyperflow.images.preprocessing import Preprocessing, crop_and_resize, normalise
from hyperflow.teacher.descent import TaskBatch
from hyperflow.teacher.recipe_choice import RecipeChoice, choose_recipe

RATES = {"subset": (1e-3, 3e-3, 8e-3), "all": (1e-4, 5e-4)}


def meta_validation_tasks(
    sets: Sequence[ImageSet], rule: Preprocessing, protocol: FixedProtocol
) -> Iterator[TaskBatch]:
    """Support and queries of every episode, preprocessed."""
    for image_set in sets:
        for index in range(protocol.n_episodes):
            episode = protocol.draw(image_set, index)
            rows = np.concatenate([episode.support_rows, episode.query_rows]).tolist()
            pixels = np.stack([crop_and_resize(image_set.image(image_set.member(row)), rule) for row in rows])
            images = normalise(torch.from_numpy(pixels), rule).contiguous(memory_format=torch.channels_last)
            onehot = functional.one_hot(torch.from_numpy(episode.support_labels), len(episode.classes)).float()
            yield TaskBatch(images, onehot, torch.from_numpy(episode.query_labels))


def _as_table(choice: RecipeChoice) -> dict[str, float]:
    return {f"rate {rate:g}, {steps} steps": round(100 * mean, 2) for (rate, steps), mean in choice.accuracy.items()}


@click.command()
@click.argument("checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--data", type=click.Path(exists=True, path_type=Path), required=True, help="Folder of image sets.")
@click.option("--sets", required=True, help="Names of the meta-validation sets among them, separated by commas.")
@click.option("--episodes", type=click.IntRange(min=1), default=5, show_default=True, help="Episodes a set.")
@click.option("--steps", default="10,25,40", show_default=True, help="Numbers of steps to try.")
@click.option("--what", type=click.Choice(("subset", "all", "both")), default="both", show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=17, show_default=True)
@click.option("--recipes", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="All accuracies.")
def main(
    checkpoint: Path, data: Path, sets: str, episodes: int, steps: str, what: str, seed: int, recipes: Path,
    json_path: Path | None,
) -> None:  # fmt: skip
    """Write the best recipes for fine-tuning the backbone of CHECKPOINT, 5-way 5-shot.

    \b
    Example:
      python benchmarks/studies/choose_recipes.py runs/drift/checkpoint --data data/train \\
        --sets chars74k_img,food10,plant_seedlings,sign_digits --recipes recipes.json
    """
    model = load_checkpoint(checkpoint)
    model.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    wanted = sets.split(",")
    found = [image_set for image_set in open_datasets(data) if image_set.name in wanted]
    if missing := sorted(set(wanted) - {image_set.name for image_set in found}):
        raise click.UsageError(f"{data} has no set named {', '.join(missing)}")
    protocol = FixedProtocol(n_query=15, seed=seed, n_episodes=episodes)
    best, report = Recipes(), {}
    for kind in ("subset", "all") if what == "both" else (what,):
        base = best.subset_tuning if kind == "subset" else best.full_tuning
        tasks = meta_validation_tasks(found, model.config.preprocessing, protocol)
        grid = [(rate, int(n_steps)) for rate in RATES[kind] for n_steps in steps.split(",")]
        with Progress(console=Console(stderr=True)) as progress:
            bar = progress.add_task(f"tuning {kind}", total=len(found) * episodes * len(RATES[kind]))
            advance = functools.partial(progress.advance, bar)
            choice = choose_recipe(model, tasks, grid, base=base, seed=seed, progress=advance)
        best = msgspec.structs.replace(best, **{"subset_tuning" if kind == "subset" else "full_tuning": choice.recipe})
        report[kind] = {"accuracy": _as_table(choice), "n_tasks": choice.n_tasks, "sets": wanted}
        click.echo(f"{kind}: {choice.recipe.n_steps} steps at {choice.recipe.learning_rate:g}")
    recipes.write_bytes(msgspec.json.format(msgspec.json.encode(best), indent=2) + b"\n")
    if json_path is not None:
        json_path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


if __name__ == "__main__":
    main()
