"""The means of several shapes as one table for people."""

from __future__ import annotations

from rich.table import Table

from hyperflow.evaluation.shapes import ShapesOverview

__all__ = ["shapes_table_of"]


def shapes_table_of(overview: ShapesOverview, *, n_sets: int) -> Table:
    """Lay out the mean over sets of every shape, a row for each method.

    Args:
        overview: Of all shapes.
        n_sets: Sets that there were to evaluate on.
    """
    table = Table(
        title=f"{overview.subject}: mean over the sets that are large enough; paired gain over direct, % ± 95% CI",
        title_justify="left",
    )
    for heading in ("shape", "method"):
        table.add_column(heading, no_wrap=True)
    for heading in ("sets", "accuracy", "gain", "ECE", "AUROC"):
        table.add_column(heading, justify="right", no_wrap=True)
    for shape, result in overview.shapes.items():
        table.add_section()
        if result.mean is None:
            table.add_row(shape, "-", f"0/{n_sets}", *["-"] * 4)
            continue
        for row, (method, accuracy) in enumerate(result.mean.accuracy.items()):
            gain = result.mean.gain.get(method)
            calibration, detection = result.calibration.get(method), result.detection.get(method)
            table.add_row(
                "" if row else shape,
                method,
                "" if row else f"{n_sets - len(result.skipped)}/{n_sets}",
                str(accuracy),
                "-" if gain is None else f"{gain.mean:+.1f} ± {gain.ci95:.1f}",
                "-" if calibration is None else str(calibration.ece),
                "-" if detection is None else str(detection.auroc),
            )
    return table
