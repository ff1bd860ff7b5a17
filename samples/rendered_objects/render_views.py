"""Render the views that the runtime's scene `synthetic://` is made of. See README.md beside this file."""

from __future__ import annotations

import argparse
from pathlib import Path

from write_views import write_views

_SCENE = Path(__file__).resolve().parents[2] / "runtime/hyperflow_runtime/cameras/synthetic/views"


def main() -> None:
    """Write the views, and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="Example: render_views.py build/views")
    parser.add_argument("folder", type=Path, nargs="?", default=_SCENE, help="where to write (default: the runtime)")
    parser.add_argument("--n-views", type=int, default=14, help="views a thing (default 14)")
    arguments = parser.parse_args()
    files = list(write_views(arguments.folder, n_views=arguments.n_views))
    size_bytes = sum(file.stat().st_size for file in files)
    print(f"{len(files)} views, {size_bytes / 1e6:.2f} MB, in {arguments.folder}")


if __name__ == "__main__":
    main()
