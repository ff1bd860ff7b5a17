"""Render sample photos of desk and workshop objects. See README.md beside this file."""

from __future__ import annotations

import argparse
from pathlib import Path

from write_images import write_sample_images


def main() -> None:
    """Write support and query photos below the folder given."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="Example: render.py out")
    parser.add_argument("folder", type=Path, help="where to write support/KIND and query/KIND")
    parser.add_argument("--n-support", type=int, default=5, help="support photos a kind (default 5)")
    parser.add_argument("--n-query", type=int, default=6, help="query photos a kind (default 6)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all randomness (default 0)")
    arguments = parser.parse_args()
    write_sample_images(arguments.folder, n_support=arguments.n_support, n_query=arguments.n_query, seed=arguments.seed)


if __name__ == "__main__":
    main()
