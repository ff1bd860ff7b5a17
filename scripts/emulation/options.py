"""Options and exit codes that the proofs share."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emulation.cache import default_cache
from emulation.debian_root import DEFAULT_MIRROR, DEFAULT_SUITE
from emulation.failure import CannotRun, CheckError

__all__ = ["EXIT_CODES", "PROJECT", "parser_of", "run_proof"]

PROJECT = Path(__file__).resolve().parents[2]
EXIT_CODES = "exit code: 0 all of it holds, 1 something does not, 2 this machine lacks something that the proof needs"


def parser_of(description: str) -> argparse.ArgumentParser:
    """Parser with the shared options."""
    parser = argparse.ArgumentParser(
        description=description, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--bundle", type=Path, default=PROJECT / "build/small.hyperflow",
        help="bundle to run; by default build/small.hyperflow, exported from models/small when absent",
    )  # fmt: skip
    parser.add_argument(
        "--cache", type=Path, default=default_cache(),
        help=f"folder of systems, wheels and image layers, some GB (default {default_cache()})",
    )  # fmt: skip
    parser.add_argument(
        "--suite", default=DEFAULT_SUITE, help=f"Debian release to take, with Python 3.10 or newer ({DEFAULT_SUITE})"
    )
    parser.add_argument("--mirror", default=DEFAULT_MIRROR, help=f"its archive (default {DEFAULT_MIRROR})")
    parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    return parser


def run_proof(proof: Callable[[], tuple[str, dict[str, Any]]], *, as_json: bool) -> None:
    """Run a proof, print its result, and end the process with the exit code.

    Args:
        proof: Gives the result as text, and for `--json`, where `agrees` says whether all of it holds.
        as_json: Print the latter.
    """
    try:
        text, result = proof()
    except CheckError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, CannotRun) else 1)
    print(json.dumps(result, indent=2) if as_json else text)
    sys.exit(0 if result["agrees"] else 1)
