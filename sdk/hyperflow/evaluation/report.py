"""An evaluation as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from hyperflow.evaluation.results import REFERENCE, Evaluation, SetResult
from hyperflow.evaluation.statistics import Estimate
from hyperflow.evaluation.trust_report import calibration_table_of, detection_table_of

__all__ = ["cost_table_of", "group_table_of", "table_of", "tables_of"]

_MISSING = "-"


def _title(evaluation: Evaluation) -> str:
    config = evaluation.config
    sizes = ((config.n_way, "way"), (config.n_shot, "shot"))
    shape = " ".join(f"{count}-{word}" for count, word in sizes if count is not None)
    protocol = shape if config.protocol == "fixed" else f"{config.protocol} {shape}".strip()
    return f"{evaluation.subject}: {protocol}, {config.episodes} episodes a set, seed {config.seed}"


def _signed(estimate: Estimate | None) -> str:
    return _MISSING if estimate is None else f"{estimate.mean:+.1f} ± {estimate.ci95:.1f}"


def table_of(evaluation: Evaluation) -> Table:
    """Lay out accuracies and paired gains: one row a set, or a row for each method of a set where there are many."""
    methods = list(evaluation.mean.accuracy)
    return _wide(evaluation, methods) if len(methods) <= 3 else _long(evaluation, methods)


def _wide(evaluation: Evaluation, methods: Sequence[str]) -> Table:
    table = Table(title=f"{_title(evaluation)}; accuracy and paired gain over direct, % ± 95% CI", title_justify="left")
    others = [method for method in methods if method != "direct"]
    table.add_column("set", overflow="fold")
    for heading in (*methods, *(f"gain {method}" for method in others)):
        table.add_column(heading, justify="right", no_wrap=True)

    def cells(result: SetResult) -> list[str]:
        accuracies = [str(result.accuracy[method]) for method in methods]
        return accuracies + [_signed(result.gain[method]) for method in others]

    for name, result in evaluation.sets.items():
        table.add_row(name, *cells(result))
    table.add_section()
    table.add_row("mean over sets", *cells(evaluation.mean), style="bold")
    return table


def _long(evaluation: Evaluation, methods: Sequence[str]) -> Table:
    title = f"{_title(evaluation)}; accuracy and paired gain over direct on the n values of each method, % ± 95% CI"
    shows_share = REFERENCE in methods
    if shows_share:
        title += f"; share of the gain of {REFERENCE} on its own episodes, where that gain is clear of zero"
    table = Table(title=title, title_justify="left")
    table.add_column("set", overflow="fold")
    table.add_column("method", no_wrap=True)
    for heading in ("n", "accuracy", "gain", *(["share, %"] if shows_share else [])):
        table.add_column(heading, justify="right", no_wrap=True)

    def add(name: str, result: SetResult, style: str | None) -> None:
        table.add_section()
        for row, method in enumerate(methods):
            share = result.recovered.get(method)
            cells = [str(result.n[method]), str(result.accuracy[method]), _signed(result.gain.get(method))]
            if shows_share:
                cells.append(_MISSING if share is None else str(share))
            table.add_row("" if row else name, method, *cells, style=style)

    for name, result in evaluation.sets.items():
        add(name, result, None)
    add("mean over sets", evaluation.mean, "bold")
    return table


def group_table_of(evaluation: Evaluation) -> Table:
    """Lay out the mean over all groups of queries, where a protocol has them."""
    table = Table(title="Mean over all videos of all sets, % ± 95% CI", title_justify="left")
    for method in evaluation.over_groups:
        table.add_column(method, justify="right", no_wrap=True)
    table.add_row(*(str(estimate) for estimate in evaluation.over_groups.values()))
    return table


def _quantity(value: float | None, form: str) -> str:
    return _MISSING if value is None else format(value, form)


def cost_table_of(evaluation: Evaluation) -> Table:
    """Lay out what adapting costs, one row a method."""
    slowest = max(cost.seconds for cost in evaluation.cost.values())
    title = "Adapting to one support, without queries: median time, its share of the slowest method's; peak memory and "
    table = Table(title=f"{title}multiply-accumulates in the first episode", title_justify="left")
    table.add_column("method", no_wrap=True)
    for heading in ("n", "diverged", "s", "of slowest", "MB", "GMAC"):
        table.add_column(heading, justify="right", no_wrap=True)
    for method, cost in evaluation.cost.items():
        n_answered = sum(len(result.per_episode[method]) for result in evaluation.sets.values())
        table.add_row(
            method,
            str(n_answered),
            str(evaluation.mean.failed[method]),
            f"{cost.seconds:.4f}",
            f"{cost.seconds / slowest:.1%}",
            _quantity(cost.peak_mb, ".1f"),
            _quantity(None if cost.macs is None else cost.macs / 1e9, ".3f"),
        )
    return table


def tables_of(evaluation: Evaluation) -> list[Table]:
    """Everything: accuracies and gains, the mean over videos where there is one, calibration, detection, and costs."""
    trust = evaluation.trust
    groups = [group_table_of(evaluation)] if evaluation.over_groups else []
    calibration = [calibration_table_of(evaluation)] if trust.calibration else []
    detection = [detection_table_of(evaluation)] if trust.detection or trust.no_spare_classes else []
    return [table_of(evaluation), *groups, *calibration, *detection, cost_table_of(evaluation)]
