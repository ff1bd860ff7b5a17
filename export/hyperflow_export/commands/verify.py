"""`hyperflow-export verify`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

__all__ = ["command"]


@click.command("verify")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, and nothing else.")
def command(bundle: Path, as_json: bool) -> None:
    """Check the files of BUNDLE, then run its reference data. Needs no torch. Exits with 1 when anything differs.

    \b
    Example:
      hyperflow-export verify desk.hyperflow
    """
    import msgspec
    from rich.console import Console

    from hyperflow_export.commands.tables import parity_table
    from hyperflow_export.verification import verify_bundle
    from hyperflow_runtime.bundle.reader import read_bundle

    checks = verify_bundle(read_bundle(bundle))
    passed = all(check.passed for check in checks)
    if as_json:
        click.echo(msgspec.json.encode({"bundle": str(bundle), "passed": passed, "checks": checks}).decode())
    else:
        Console().print(parity_table(checks, against="the bundle's reference data"))
        click.echo(f"{bundle}: {'every comparison passed' if passed else 'DIFFERS from its reference data'}")
    sys.exit(0 if passed else 1)
