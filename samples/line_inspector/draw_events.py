"""Draw what happened on a line: labels over time, pictures of unknown things, and the last events."""

from __future__ import annotations

import sys
from pathlib import Path

import click

EXAMPLE = """\b
Example:
  python samples/line_inspector/draw_events.py build/events.jsonl --unknowns build/unknowns -o build/line.png
"""


@click.command(epilog=EXAMPLE, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("events", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--unknowns", type=click.Path(file_okay=False, path_type=Path), help="Folder of pictures.")
@click.option("--last-s", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Seconds to draw.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="PNG to write.")
def main(events: Path, unknowns: Path | None, last_s: float, output: Path) -> None:
    """Draw the end of EVENTS, a file that the inspector wrote with --events FILE."""
    import msgspec  # only now, so that --help is quick

    from timeline.drawing import draw
    from timeline.reading import last_events

    try:
        found = last_events(events, last_s)
        picture = draw(found, unknowns, last_s)
        partial = output.with_name(f".{output.name}.part")
        picture.save(partial, "PNG", optimize=True)
        partial.replace(output)
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
