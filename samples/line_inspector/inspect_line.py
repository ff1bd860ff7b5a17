"""Inspect a line: a camera in, events out. See README.md beside this file."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import click

from config_file import read_config

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
EXAMPLE = """\b
Example:
  python samples/line_inspector/inspect_line.py --camera synthetic:// --adaptation build/line.adaptation
"""
MEGABYTES = click.FloatRange(min=0.1)


def _print_schema(context: click.Context, _parameter: click.Parameter, is_asked: bool) -> None:
    if is_asked:
        from line_events.schema import schema_text

        click.echo(schema_text(), nl=False)
        context.exit()


@click.command(
    epilog=EXAMPLE,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "LINE_INSPECTOR",
        "max_content_width": 110,
    },
)
@click.option(
    "--camera",
    required=True,
    help="csi://0, /dev/video0, rtsp://..., file://..., dir://..., synthetic://, recorded://...",
)
@click.option(
    "--adaptation",
    type=FILE,
    required=True,
    help="What a session has learned; watched, and loaded anew when it changes.",
)
@click.option(
    "--bundle",
    type=click.Path(file_okay=False, path_type=Path),
    default="build/small.hyperflow",
    show_default=True,
    help="Exported model.",
)
@click.option("--station", default=socket.gethostname, show_default="this computer's name", help="Name in every event.")
@click.option(
    "--hold-ms",
    type=click.IntRange(0, 60_000),
    default=300,
    show_default=True,
    help="Another label must hold so long before it counts.",
)
@click.option(
    "--fps", type=click.FloatRange(0, 240, min_open=True), help="Frames a second asked of the camera, where it can."
)
@click.option(
    "--budget-ms",
    type=click.FloatRange(min=0, min_open=True),
    help="Mean work for each frame of the camera; work that takes longer is done for fewer frames.",
)
@click.option(
    "--events", metavar="FILE|-", help="Write JSON lines to a file that is renamed at its bound, or to standard output."
)
@click.option(
    "--max-events-mb", type=MEGABYTES, default=50.0, show_default=True, help="That bound; four older files are kept."
)
@click.option("--webhook", metavar="URL", help="POST each event as JSON to this address.")
@click.option(
    "--webhook-auth-file", type=FILE, help="Holds the Authorization header, one line. Or LINE_INSPECTOR_WEBHOOK_AUTH."
)
@click.option("--mqtt", metavar="URI", help="Publish to mqtt://[USER@]HOST[:PORT]/TOPIC, or mqtts:// for TLS.")
@click.option("--mqtt-password-file", type=FILE, help="Holds the password, one line. Or LINE_INSPECTOR_MQTT_PASSWORD.")
@click.option("--mqtt-ca-file", type=FILE, help="Certificates to trust for mqtts, in the place of the system's.")
@click.option("--mqtt-client-id", help="Name at the broker; line-inspector-STATION by default.")
@click.option("--spool", type=FOLDER, help="Keep undelivered events here, over restarts; in memory alone by default.")
@click.option(
    "--max-spool-mb", type=MEGABYTES, default=50.0, show_default=True, help="Bound on what waits; the oldest go."
)
@click.option("--unknowns", type=FOLDER, help="Keep pictures of unknown things here.")
@click.option(
    "--max-unknowns-mb", type=MEGABYTES, default=200.0, show_default=True, help="Bound on them; the oldest go."
)
@click.option(
    "--unknown-every-s",
    type=click.FloatRange(min=0.1),
    default=10.0,
    show_default=True,
    help="Between two of one spell.",
)
@click.option(
    "--heartbeat-s", type=click.FloatRange(min=0.1), default=60.0, show_default=True, help="Between two heartbeats."
)
@click.option("--threads", type=click.IntRange(min=1), help="Of the model, on a processor; all cores by default.")
@click.option("--quiet", is_flag=True, help="Print no lines for people.")
@click.option(
    "--json",
    "is_json",
    is_flag=True,
    envvar="LINE_INSPECTOR_JSON",
    help="Print events as JSON lines, the same as --events -.",
)
@click.option(
    "--config",
    type=FILE,
    is_eager=True,
    expose_value=False,
    callback=read_config,
    help="TOML file with any of these options.",
)
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_schema,
    help="Print the JSON Schema of an event.",
)
def main(**options: Any) -> None:
    """Watch a camera, and tell of each change of what it shows.

    Every option may also stand in the environment, as LINE_INSPECTOR_CAMERA for --camera, or in the file --config. The
    command line wins over the environment, and this over the file.
    """
    from choices import Choices  # the model, the camera and the network: not for --help
    from running import run

    sys.exit(run(Choices(**options)))


if __name__ == "__main__":
    main()
