"""Which objective trains the best drift, and at what offline cost? Two teachers, three interpolations, refinement.

Every run starts from one checkpoint, has the same number of steps in each stage, and answers the same episodes. What is
finished is kept: run the command again after an interruption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from study import FOLDER, Study, StudyCommand, study_options

from hyperflow.commands.main import default_cache

if TYPE_CHECKING:
    from objective_runs import Budget, Places, Teacher, TrainedRun

    from hyperflow.evaluation.results import Evaluation
    from hyperflow.evaluation.statistics import Estimate
    from hyperflow.images.image_set import ImageSet
    from hyperflow.trajectories.manifest import Manifest

__all__ = ["main"]

_METHODS = ("adapted", "guarded")
_CONFIGS = Path(__file__).parent / "configs"


class _Gain(msgspec.Struct, frozen=True):
    """Paired gains over direct transfer, in points: the mean over sets, and each set."""

    mean: Estimate
    sets: dict[str, Estimate]


class _Offline(msgspec.Struct, frozen=True):
    """What it took to make a checkpoint from the start.

    Attributes:
        simulate_cpu_hours: Processor time of the trajectories that it was trained on; 0 without any.
        train_cpu_hours: Processor time of the steps and validations of the training.
        train_wall_hours: The same on the clock, which other work on the machine lengthens.
        train_gpu_hours: Hours that GPUs were held; 0 without one.
        total_cpu_hours: Simulation and training.
        trajectories_bytes: Storage of the trajectories.
        run_bytes: Storage of the training's folder.
    """

    simulate_cpu_hours: float
    train_cpu_hours: float
    train_wall_hours: float
    train_gpu_hours: float
    total_cpu_hours: float
    trajectories_bytes: int
    run_bytes: int


class _Run(msgspec.Struct, frozen=True):
    """One objective.

    Attributes:
        teacher: Whose trajectories; None for refinement alone.
        objective: Interpolation of these.
        refines: Whether it was refined.
        gain: Of each method.
        over_refine: Paired difference of `adapted` to the run `refine`, mean over sets; None without that run.
        recon_error: On held-back trajectories of each teacher, squared distance left as a share of the whole.
        step_size: Step size that meta-validation chose.
        offline: What it took.
    """

    teacher: Teacher | None
    objective: str | None
    refines: bool
    gain: dict[str, _Gain]
    over_refine: Estimate | None
    recon_error: Mapping[Teacher, float | None]
    step_size: float
    offline: _Offline


def _evaluated(trained: Mapping[str, TrainedRun], study: Study, sets: Sequence[ImageSet]) -> dict[str, Evaluation]:
    """Evaluate every checkpoint; results that are there for the same checkpoint, sets and episodes are kept."""
    from study_episodes import config_of, evaluate_all

    from hyperflow.checkpoint import load_checkpoint
    from hyperflow.evaluation.evaluation_files import write_whole
    from hyperflow.evaluation.journal import run_digest
    from hyperflow.evaluation.results import Evaluation
    from hyperflow.evaluation.subjects import subject_digest

    config, found = config_of(study, ("direct", *_METHODS)), {}
    for name, run in trained.items():
        digest = run_digest(subject_digest(run.checkpoint), config, sets)
        kept = run.checkpoint.parent / f"evaluation-{digest[:16]}.json"
        if not kept.exists():
            evaluation, *_ = evaluate_all([(name, load_checkpoint(run.checkpoint), config, sets)], quiet=study.quiet)
            write_whole(kept, msgspec.json.encode(evaluation))
        found[name] = msgspec.json.decode(kept.read_bytes(), type=Evaluation)
    return found


def _offline(run: TrainedRun, manifest: Manifest | None) -> _Offline:
    simulated = manifest.cost.cpu_hours if manifest else 0.0
    return _Offline(
        simulate_cpu_hours=simulated,
        train_cpu_hours=run.cost.cpu_hours,
        train_wall_hours=run.cost.hours,
        train_gpu_hours=run.cost.gpu_hours,
        total_cpu_hours=simulated + run.cost.cpu_hours,
        trajectories_bytes=manifest.cost.storage_bytes if manifest else 0,
        run_bytes=run.cost.storage_bytes,
    )


def _over(evaluation: Evaluation, other: Evaluation | None) -> Estimate | None:
    from paired import paired

    if other is None:
        return None
    values, baseline = (
        {name: result.per_episode["adapted"] for name, result in one.sets.items()} for one in (evaluation, other)
    )
    difference = paired(values, baseline)
    return None if difference is None else difference.mean


def _collect(
    trained: Mapping[str, TrainedRun], evaluations: Mapping[str, Evaluation],
    manifests: Mapping[Teacher, Manifest], places: Places, budget: Budget,
) -> dict[str, _Run]:  # fmt: skip
    from objective_runs import RUNS, recon_errors

    from hyperflow.checkpoint import load_checkpoint

    runs = {}
    for name, run in trained.items():
        evaluation, plan = evaluations[name], RUNS[name]
        gains = {
            method: _Gain(evaluation.mean.gain[method], {s: r.gain[method] for s, r in evaluation.sets.items()})
            for method in _METHODS
        }
        runs[name] = _Run(
            teacher=plan.teacher,
            objective=plan.objective,
            refines=plan.refines,
            gain=gains,
            over_refine=_over(evaluation, evaluations.get("refine")),
            recon_error=recon_errors(run.checkpoint, places, tuple(manifests), budget),
            step_size=load_checkpoint(run.checkpoint).config.device.step_size,
            offline=_offline(run, manifests[plan.teacher] if plan.teacher else None),
        )
    return runs


def _draw(runs: Mapping[str, _Run], title: str, out: Path) -> None:
    from pictures import direct_transfer, dots, panels, save

    figure, (gains, errors) = panels(1, 2, height_in=1.6 + 0.42 * len(runs), title=title)
    dots(gains, list(runs), {method: [run.gain[method].mean for run in runs.values()] for method in _METHODS})
    direct_transfer(gains, upright=True)
    gains.set_xlabel("paired gain in accuracy, points")
    gains.legend(fontsize=7)
    for number, teacher in enumerate(("support", "whole-class")):
        found = [(run.recon_error.get(teacher), row) for row, run in enumerate(runs.values())]  # type: ignore[call-overload]
        points = [(100 * error, row) for error, row in found if error is not None]
        if points:
            errors.plot(*zip(*points, strict=True), "osD"[number], ms=5, label=f"{teacher} teacher")
    errors.axvline(100, color="black", lw=1.0, ls="--", label="standing still")
    errors.set_ylim(len(runs) - 0.5, -0.5)
    errors.set_yticks(range(len(runs)), [""] * len(runs))
    errors.set_xlabel("squared distance left to held-back\ntrajectories' ends, %")
    errors.legend(fontsize=7)
    save(figure, out)


def _run_names(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    from objective_runs import RUNS

    if unknown := [name for name in value if name not in RUNS]:
        raise click.BadParameter(f"no run {', '.join(unknown)}; choose from {', '.join(RUNS)}")
    return tuple(name for name in RUNS if not value or name in value)


@click.command(cls=StudyCommand)
@click.option("--start", type=FOLDER, required=True, help="Checkpoint with an untrained drift.")
@click.option("--data", "train_data", type=click.Path(exists=True, path_type=Path), required=True,
              help="Training image sets.")  # fmt: skip
@study_options("--eval-data")
@click.option("--config-dir", type=FOLDER, default=_CONFIGS, help="Holds simulate-support.json and "
              "simulate-whole-class.json.  [default: configs beside this script]")  # fmt: skip
@click.option("--train-config", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="JSON file of hyperflow train, for all but stages and steps.")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for all runs.")
@click.option("--flow-steps", type=click.IntRange(min=1), default=3000, show_default=True, help="Of flow matching.")
@click.option("--refine-steps", type=click.IntRange(min=1), default=1500, show_default=True, help="Of refinement.")
@click.option("--train-seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of every training.")
@click.option("--run", "names", multiple=True, metavar="NAME", callback=_run_names,
              help="Only this run; may be given again.")  # fmt: skip
@click.option("--workers", default="local:1", show_default=True, help="Of the simulations: local:N or ray://HOST:PORT.")
@click.option("--device", type=click.Choice(("auto", "cpu", "cuda")), default="auto", show_default=True,
              help="Of the trainings.")  # fmt: skip
@click.option("--cache", type=click.Path(path_type=Path), default=default_cache, help="Folder for packed images.")
def main(
    start: Path, train_data: Path, config_dir: Path, train_config: Path | None, out: Path, flow_steps: int,
    refine_steps: int, train_seed: int, names: tuple[str, ...], workers: str, device: str, cache: Path, **options: Any,
) -> None:  # fmt: skip
    """Simulate, train and evaluate every objective from one start.

    \b
    Example:
      python benchmarks/studies/objectives.py --start runs/start --data data/train --eval-data data/eval \\
        --out runs/objectives --json objectives.json --picture objectives.png
    """
    from objective_runs import RUNS, Budget, Places, simulate_all, train_one
    from study_episodes import evaluated_sets

    study = Study(**options)
    sets = evaluated_sets(study)
    places = Places(start, train_data, config_dir, train_config, out, cache)
    budget = Budget(flow_steps, refine_steps, train_seed)
    teachers = tuple(dict.fromkeys(teacher for name in names if (teacher := RUNS[name].teacher)))
    manifests = simulate_all(places, teachers, workers, quiet=study.quiet)
    trained = {}
    for name in names:
        if not study.quiet:
            click.echo(f"run {name}", err=True)
        trained[name] = train_one(name, places, budget, device=device, quiet=study.quiet)
    runs = _collect(trained, _evaluated(trained, study, sets), manifests, places, budget)
    title = f"Objectives, same start and steps (mean over {len(sets)} sets, 95% bars)"
    if study.picture is not None:
        _draw(runs, title, study.picture)
    study.write({"runs": runs, "flow_steps": flow_steps, "refine_steps": refine_steps, "train_seed": train_seed})


if __name__ == "__main__":
    main()
