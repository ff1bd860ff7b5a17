"""An evaluation as a table for people."""

from __future__ import annotations

from rich.table import Table

from hyperflow.evaluation.protocol import Evaluation, SetResult

__all__ = ["table_of"]


def table_of(evaluation: Evaluation) -> Table:
    """Lay out accuracies and paired gains, one row a set and one for their mean."""
    config = evaluation.config
    title = (
        f"{evaluation.subject}: {config.n_way}-way {config.n_shot}-shot, {config.episodes} episodes a set, "
        f"seed {config.seed}; accuracy and paired gain over direct, % ± 95% CI"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("set", overflow="fold")
    for heading in ("direct", "adapted", "guarded", "gain adapted", "gain guarded"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, result in evaluation.sets.items():
        table.add_row(name, *_cells(result))
    table.add_section()
    table.add_row("mean over sets", *_cells(evaluation.mean), style="bold")
    return table


def _cells(result: SetResult) -> list[str]:
    accuracy = [str(result.accuracy[name]) for name in ("direct", "adapted", "guarded")]
    gains = [f"{result.gain[name].mean:+.1f} ± {result.gain[name].ci95:.1f}" for name in ("adapted", "guarded")]
    return accuracy + gains
