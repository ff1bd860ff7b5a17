"""`hyperflow-export inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hyperflow_runtime.bundle.manifest import Manifest

__all__ = ["command"]


@click.command("inspect")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON, and nothing else.")
def command(bundle: Path, as_json: bool) -> None:
    """Show what BUNDLE holds, after checking its files. Needs no torch.

    \b
    Example:
      hyperflow-export inspect desk.hyperflow --json
    """
    import msgspec
    from rich.console import Console
    from rich.table import Table

    from hyperflow_runtime.bundle.reader import read_bundle

    opened = read_bundle(bundle)
    if as_json:
        click.echo(msgspec.json.encode({"sha256": opened.sha256, **msgspec.to_builtins(opened.manifest)}).decode())
        return
    table = Table("what", "value", title=str(bundle), title_justify="left")
    for what, value in [*_facts(opened.manifest), ("identity (sha256)", opened.sha256)]:
        table.add_row(what, value)
    Console().print(table)


def _facts(manifest: Manifest) -> list[tuple[str, str]]:
    from hyperflow_export.commands.tables import arithmetic_lines

    rule, limits, adaptation, head = manifest.preprocessing, manifest.limits, manifest.adaptation, manifest.head
    sizes = ", ".join(f"{name} {entry.size_bytes / 1e6:.2f} MB" for name, entry in manifest.files.items())
    passed = sum(check.passed for check in manifest.parity)
    return [
        ("name", manifest.name),
        ("input", f"{rule.size_px} x {rule.size_px} px, {rule.resize}, {rule.colour_order}"),
        ("feature", f"{manifest.feature_dim} numbers"),
        ("theta", f"{manifest.n_parameters} numbers in {len(manifest.theta)} tensors"),
        ("limits", f"{limits.max_ways} ways, {limits.max_support} support images, {limits.max_batch} images a run"),
        ("adaptation", f"{adaptation.n_steps} Euler steps, step size {adaptation.step_size:g}"),
        ("guard chooses from", ", ".join(f"{h:g}" for h in adaptation.candidates)),
        ("unknown", f"margin {head.unknown_margin:.2f}, one-shot floor {head.unknown_floor:.2f}"),
        ("precision", manifest.precision),
        *((graph.graph, "\n".join(arithmetic_lines(graph))) for graph in manifest.arithmetic),
        ("parity at export", f"{passed} of {len(manifest.parity)} comparisons passed"),
        ("files", sizes),
        ("created by", ", ".join(f"{name} {value}" for name, value in manifest.creator.items())),
        ("licence", manifest.licence),
    ]
