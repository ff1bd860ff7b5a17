"""Teach a camera new things with number keys. See README.md beside this file."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    default="build/small.hyperflow",
    show_default=True,
    help="Exported model.",
)
@click.option(
    "--camera",
    default="/dev/video0",
    show_default=True,
    help="csi://0, /dev/video0, rtsp://..., a video, a folder, synthetic:// (no camera needed).",
)
@click.option("--adaptation", type=FILE, help="Start from a saved adaptation.")
@click.option("--save", type=FILE, default="desk.adaptation", show_default=True, help="File that the key s writes.")
@click.option("--names", default="", help="Names for the keys 1, 2, ...: mug,pen. Key 0 is the background.")
@click.option("--headless", is_flag=True, help="No window: a line for each change of the label; keys in a terminal.")
@click.option("--script", help="Keys at given times, '1s-2s: 1, 4s: s, 5s: q', or a file of them.")
@click.option(
    "--every-frame",
    is_flag=True,
    help="Take each frame of a file or a scene, however long it takes; --headless --script does by itself.",
)
@click.option("--video", type=FILE, help="Write what is shown to NAME.mp4 or NAME.avi.")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop after so many seconds.")
@click.option("--frames", type=click.IntRange(min=1), help="Stop after so many frames.")
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON, one a line.")
@click.option("--width", type=int, help="Of the camera's frames, pixels.")
@click.option("--height", type=int, help="Likewise.")
@click.option("--fps", type=float, help="Frames a second asked of the camera.")
@click.option(
    "--flip",
    type=click.Choice(["none", "horizontal", "vertical", "rotate-90", "rotate-180", "rotate-270"]),
    default="none",
    show_default=True,
    help="Turn or mirror the camera's frames.",
)
@click.option("--fullscreen", is_flag=True, help="Let the window fill the screen.")  # fmt: skip
def main(**options: object) -> None:
    """Teach a camera new things with number keys: hold 1 while it sees the first thing, 2 for the second, and so on.

    Press h in the window for all keys.

    \b
    Example:
      python samples/camera_keys/teach.py --camera synthetic:// --names mug,key,leaf
    """
    for name in ("SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), _interrupt)
    try:
        from assembly import Wishes, run  # only now, so that --help is quick

        run(Wishes(**options))  # type: ignore[arg-type]  # one field an option
    except KeyboardInterrupt:
        pass  # the usual way to end a run without a window; everything is closed by now
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on; that is no error
    except ImportError as error:
        if error.name != "cv2":
            raise
        _fail(f"{error}; pip install '.[camera]', or on a Jetson: sudo apt install python3-opencv")
    except (OSError, RuntimeError, ValueError) as error:
        _fail(str(error))
    except Exception as error:
        from hyperflow_runtime import HyperflowRuntimeError

        if not isinstance(error, HyperflowRuntimeError):
            raise
        _fail(str(error))


def _fail(reason: str) -> NoReturn:
    click.echo(f"Error: {reason}", err=True)
    sys.exit(1)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
