"""What the bound by the gap does to "unknown": a threshold by the spread of the shots alone against the one in force.

On sets of single photos, and on shots taken in one second of a rendered scene, as with a held button. Example:

    python benchmarks/unknown_threshold.py --bundle build/small.hyperflow --data data/eval --json unknown.json
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from machine import describe_machine, write_result
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hyperflow.episodes.sampling import episode_rng, sample_episode
from hyperflow.images.image_set import ImageSet, open_image_sets
from hyperflow_runtime import Model, Session, open_bundle
from hyperflow_runtime.bundle.manifest import Head
from hyperflow_runtime.cameras.synthetic.source import SyntheticSource
from hyperflow_runtime.guard import leave_one_out
from hyperflow_runtime.unknown import unknown_threshold

Frame = NDArray[np.uint8]
_N_KNOWN, _N_UNKNOWN, _N_SHOT, _N_QUERY = 5, 5, 5, 5
_BURST_APART, _LATER_APART, _N_LATER = 6, 15, 20  # frames at 30 a second
_N_TAUGHT, _N_UNTAUGHT = 3, 3


@dataclass(frozen=True)
class Shares:
    """Of one episode, in 0..1: known images accepted, unknown ones rejected, by the spread alone and as in force."""

    accepted_by_spread: float
    accepted: float
    rejected_by_spread: float
    rejected: float


def thresholds(session: Session, head: Head) -> tuple[float, float]:
    """The threshold by the spread of the shots alone, and the one in force."""
    labels = list(session.labels)
    onehot = np.eye(len(labels), dtype=np.float32)[[labels.index(shot.label) for shot in session.shots]]
    left_out = leave_one_out(session.support_features(), onehot)
    own = left_out.own_cosines
    by_spread = float(own.mean() - head.unknown_margin * max(float(own.std(ddof=1)), 1e-3))
    return by_spread, unknown_threshold(left_out, head)


def shares(session: Session, head: Head, known: Sequence[Frame], unknown: Sequence[Frame]) -> Shares:
    """Adapt, and judge images of the classes and of others."""
    session.adapt()
    of_known, of_unknown = (
        np.array([answer.cosine for answer in session.predict_batch(frames)]) for frames in (known, unknown)
    )
    by_spread, in_force = thresholds(session, head)
    return Shares(
        float((of_known >= by_spread).mean()), float((of_known >= in_force).mean()),
        float((of_unknown < by_spread).mean()), float((of_unknown < in_force).mean()),
    )  # fmt: skip


def photo_episodes(model: Model, images: ImageSet, *, episodes: int, seed: int) -> Iterator[Shares]:
    """Episodes of one set of photos; classes beyond the known ones are the unknown."""
    n_known = min(_N_KNOWN, len(images.classes) - 1)
    n_way = min(n_known + _N_UNKNOWN, len(images.classes))
    for index in range(episodes):
        rng = episode_rng(seed, images.name, index)
        drawn = sample_episode(images.class_sizes, n_way=n_way, n_shot=_N_SHOT, n_query=_N_QUERY, rng=rng)
        session = model.session(colour_order="rgb", bake=False)
        for row, label in zip(drawn.support_rows, drawn.support_labels, strict=True):
            if label < n_known:
                session.add(str(label), np.asarray(images.image(images.member(int(row)))))
        queries = [np.asarray(images.image(images.member(int(row)))) for row in drawn.query_rows]
        is_known = drawn.query_labels < n_known
        yield shares(
            session, model.manifest.head, [queries[i] for i in np.flatnonzero(is_known)],
            [queries[i] for i in np.flatnonzero(~is_known)],
        )  # fmt: skip


def _frames(scene: SyntheticSource, thing: str, count: int, apart: int) -> list[Frame]:
    assert scene.stage is not None
    scene.stage.show(thing)
    return [[scene.read().image_bgr for _ in range(apart)][-1] for _ in range(count)]


def burst_episodes(model: Model, *, episodes: int, seed: int) -> Iterator[Shares]:
    """Things of the rendered scene, five shots of each within one second, judged by later views."""
    for index in range(episodes):
        scene = SyntheticSource("desk", fps=None, width=None, height=None, options={"seed": str(seed + index)})
        scene.open()
        assert scene.stage is not None
        things = list(np.random.default_rng([seed, index]).permutation(scene.stage.things))
        taught, untaught = things[:_N_TAUGHT], things[_N_TAUGHT : _N_TAUGHT + _N_UNTAUGHT]
        session = model.session(bake=False)
        for thing in taught:
            session.add(thing, _frames(scene, thing, _N_SHOT, _BURST_APART))
        later = [frame for thing in taught for frame in _frames(scene, thing, _N_LATER, _LATER_APART)]
        others = [frame for thing in untaught for frame in _frames(scene, thing, _N_LATER, _LATER_APART)]
        yield shares(session, model.manifest.head, later, others)


def summary(results: Sequence[Shares]) -> dict[str, dict[str, float]]:
    """Percent, with the half-width of the 95% interval (1.96 standard errors, ddof 1); differences are paired."""
    columns: dict[str, list[float]] = {name: [getattr(one, name) for one in results] for name in Shares.__annotations__}
    columns["accepted_gain"] = [one.accepted - one.accepted_by_spread for one in results]
    columns["rejected_gain"] = [one.rejected - one.rejected_by_spread for one in results]
    return {
        name: {"mean": 100 * float(np.mean(values)), "ci95": 196 * float(np.std(values, ddof=1)) / len(values) ** 0.5}
        for name, values in columns.items()
    }


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, help=__doc__)
@click.option(
    "--bundle", type=click.Path(exists=True, path_type=Path), default="build/small.hyperflow", show_default=True
)
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="Sets of photos, as for hyperflow evaluate.")
@click.option("--episodes", type=click.IntRange(min=2), default=20, show_default=True, help="Of each set.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--json", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the result to this file.")
def main(bundle: Path, data: Path | None, episodes: int, seed: int, out: Path | None) -> None:
    """Measure, print, and write."""
    machine, console = describe_machine(), Console()
    table = Table("Episodes", "known accepted, %", "paired gain", "unknown rejected, %", "paired gain")
    found: dict[str, dict[str, dict[str, float]]] = {}
    with open_bundle(bundle) as model:
        runs: dict[str, Iterator[Shares]] = {
            images.name: photo_episodes(model, images, episodes=episodes, seed=seed)
            for images in ([] if data is None else open_image_sets(data))
        }
        photos: list[Shares] = []
        for name, run in runs.items():
            console.print(f"{name} ...", style="dim")
            results = list(run)
            photos += results
            found[name] = summary(results)
        if photos:
            found["all sets of photos"] = summary(photos)
        found["a held button, rendered scene"] = summary(list(burst_episodes(model, episodes=episodes, seed=seed)))
    for name, row in found.items():
        table.add_row(name, *(_cell(row[key]) for key in ("accepted", "accepted_gain", "rejected", "rejected_gain")))
    console.print(table)
    if out is not None:
        write_result(
            out, {"bundle": bundle.name, "episodes": episodes, "seed": seed, "machine": machine, "sets": found}
        )


def _cell(value: dict[str, float]) -> str:
    return f"{value['mean']:.1f} ± {value['ci95']:.1f}"


if __name__ == "__main__":
    main()
