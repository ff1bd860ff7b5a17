"""Teach this device new things in a web page. See README.md beside this file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

FLIPS = ("none", "horizontal", "vertical", "rotate-90", "rotate-180", "rotate-270")


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    epilog="Example: python samples/studio/studio.py --camera synthetic://",
)
@click.option(
    "--bundle", type=click.Path(path_type=Path), default=Path("build/small.hyperflow"), help="Exported model."
)
@click.option(
    "--camera", help="csi://0, /dev/video0, rtsp://..., file://..., synthetic://. [default: the first there is]"
)
@click.option("--width", type=int, help="Of the camera's frames, in pixels.")
@click.option("--height", type=int, help="Of the camera's frames, in pixels.")
@click.option("--fps", type=float, help="Frames a second asked of the camera.")
@click.option("--flip", type=click.Choice(FLIPS), default="none", help="How to turn the picture.")
@click.option("--host", default="127.0.0.1", help="Address to listen at; any but this machine's own needs a token.")
@click.option("--port", type=click.IntRange(0, 65535), default=8040, help="0 takes one that is free.")
@click.option(
    "--token", envvar="HYPERFLOW_STUDIO_TOKEN", show_envvar=True,
    help="Opens the studio, 16 characters or more; better in the variable, as a command line shows in ps. "
    "[default: made at each start, when needed]",
)  # fmt: skip
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Folder of saved adaptations.")
@click.option(
    "--backend", type=click.Choice(["auto", "tensorrt", "onnxruntime"]), default="auto", help="What computes."
)
@click.option("--open/--no-browser", "is_opening", default=False, help="Open the page in this machine's browser.")
def main(**options: Any) -> None:
    """Serve a page that shows the camera, learns things from a few pictures each, and names them."""
    from server.starting import start  # what it needs takes a second to import

    sys.exit(start(**options))


if __name__ == "__main__":
    main()
