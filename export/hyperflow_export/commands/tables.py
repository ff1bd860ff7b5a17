"""Tables that several commands print."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from hyperflow_export.parity import TOLERANCES
from hyperflow_runtime.bundle.manifest import Arithmetic, ParityCheck, Precision

__all__ = ["arithmetic_lines", "parity_table"]


def parity_table(
    checks: Sequence[ParityCheck], *, against: str, precision: Precision, of: str = "onnxruntime"
) -> Table:
    """Lay out comparisons: name, largest difference, least cosine, agreement, verdict, and the tolerance in force."""
    title = f"Parity of {of} with {against} (tolerance of {precision}: {TOLERANCES[precision]}"
    title += ")" if precision != "int8" else f"; drift alone, which is fp16: {TOLERANCES['fp16']})"
    table = Table(title=title, title_justify="left")
    table.add_column("comparison")
    for heading in ("max abs", "cosine", "top-1", "verdict"):
        table.add_column(heading, justify="right", no_wrap=True)
    for check in checks:
        agreement = "" if check.top1_agreement is None else f"{check.top1_agreement:.1%}"
        verdict = "[green]pass[/]" if check.passed else "[red]FAIL[/]"
        table.add_row(check.name, f"{check.max_abs:.1e}", f"{check.cosine:.6f}", agreement, verdict)
    return table


def arithmetic_lines(graph: Arithmetic) -> list[str]:
    """Say what a graph computes in: shares of its multiply-accumulates, and what was kept out of it."""
    shares = ", ".join(f"{share:.1%} {precision}" for precision, share in graph.shares.items() if share >= 5e-4)
    lines = [f"{graph.graph}: {shares} of the multiply-accumulates"]
    if graph.calibration:
        lines.append(f"calibrated on {graph.calibration}")
    if graph.kept:
        lines.append(f"kept in higher precision: {'; '.join(graph.kept)}")
    return lines
