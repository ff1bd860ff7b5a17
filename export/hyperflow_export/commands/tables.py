"""Tables that several commands print."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from hyperflow_export.parity import MAX_RELATIVE, MIN_AGREEMENT, MIN_COSINE
from hyperflow_runtime.bundle.manifest import ParityCheck

__all__ = ["parity_table"]


def parity_table(checks: Sequence[ParityCheck], *, against: str) -> Table:
    """Lay out comparisons: name, largest difference, least cosine, agreement, verdict."""
    limits = f"max {MAX_RELATIVE:g} of the largest value, cosine {MIN_COSINE}, top-1 agreement {MIN_AGREEMENT:.0%}"
    table = Table(title=f"Parity of onnxruntime with {against} (tolerance: {limits})", title_justify="left")
    table.add_column("comparison")
    for heading in ("max abs", "cosine", "top-1", "verdict"):
        table.add_column(heading, justify="right", no_wrap=True)
    for check in checks:
        agreement = "" if check.top1_agreement is None else f"{check.top1_agreement:.1%}"
        verdict = "[green]pass[/]" if check.passed else "[red]FAIL[/]"
        table.add_row(check.name, f"{check.max_abs:.1e}", f"{check.cosine:.6f}", agreement, verdict)
    return table
