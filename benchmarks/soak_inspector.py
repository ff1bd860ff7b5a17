"""Run the line inspector for a long time while everything around it fails; see README.md beside this file."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from machine import describe_machine, write_result
from rich.console import Console
from rich.table import Table
from soak_line import can_make_video, make_video, teach
from soak_receivers import FlakyBroker, FlakyWebhook, can_serve_mqtt
from soaking import App, FlakyCamera, MemorySampler, MemoryTrend, Outage, break_camera, can_serve_rtsp

_SCRIPT = Path(__file__).resolve().parents[1] / "samples/line_inspector/inspect_line.py"
_DRAIN_S = 90.0
_WARM_UP_SHARE = 0.2
_LEAST_S_FOR_MEMORY = 600.0


@dataclass(frozen=True)
class Ledger:
    """What became of the events.

    Attributes:
        n_events: That the inspector wrote to its own file.
        n_labels: Label events among them.
        n_camera_losses: Times it told that the camera was lost.
        missing: Events that did not arrive, by receiver.
        repeated: Deliveries beyond the first, by receiver.
        in_order: Whether first arrivals came in the order of the file, by receiver.
    """

    n_events: int
    n_labels: int
    n_camera_losses: int
    missing: dict[str, int]
    repeated: dict[str, int]
    in_order: dict[str, bool]

    @property
    def is_whole(self) -> bool:
        """Whether every event arrived everywhere, in order."""
        return not any(self.missing.values()) and all(self.in_order.values())


class EventFile:
    """The inspector's own file of events, while it grows."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0
        self.kinds: dict[str, str] = {}

    def read(self) -> dict[str, str]:
        """Kind of every event so far, by its id, in order."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._offset)
                for line in file:
                    if line.endswith(b"\n"):
                        self._offset += len(line)
                        event = json.loads(line)
                        self.kinds[event["id"]] = event["type"]
        return self.kinds

    def count(self, kind: str) -> int:
        """How many events of a kind there are so far."""
        return sum(found == kind for found in self.read().values())


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--minutes", type=click.FloatRange(min=0.25), default=30.0, show_default=True)
@click.option("--camera-outages", type=click.IntRange(min=1), default=10, show_default=True, help="RTSP server killed.")
@click.option("--receiver-outages", type=click.IntRange(min=1), default=5, show_default=True, help="Of each receiver.")
@click.option("--down-s", type=click.FloatRange(min=0.5), default=3.0, show_default=True, help="Of each outage.")
@click.option(
    "--bundle", type=click.Path(exists=True, path_type=Path), default="build/small.hyperflow", show_default=True
)
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures here.")
def main(
    minutes: float, camera_outages: int, receiver_outages: int, down_s: float, bundle: Path, json_path: Path | None
) -> None:
    """Kill the camera, the broker and the webhook of a running inspector, and count what arrives.

    It ends with status 1 when an event was lost or came out of order, when the camera did not come back, or when the
    inspector did not end as told; and in a run of ten minutes or more, when memory grew.
    """
    for is_there, what in (
        (can_serve_rtsp(), "Debian's python3-gi and gir1.2-gst-rtsp-server-1.0"),
        (can_serve_mqtt(), "mosquitto"),
        (can_make_video(), "ffmpeg"),
    ):
        if not is_there:
            raise click.ClickException(f"needs {what}; sudo apt install it")
    machine = describe_machine()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        soak = _soak(Path(folder), minutes * 60, camera_outages, receiver_outages, down_s, bundle)
    _print(soak)
    if json_path is not None:
        write_result(json_path, {"passed": soak.passed, **asdict(soak), "machine": machine})
    sys.exit(0 if soak.passed else 1)


@dataclass(frozen=True)
class Soak:
    """The result of a run, and of a second one that delivers what the first left; outages took `seconds`."""

    seconds: float
    ledger: Ledger
    outages: list[Outage]
    n_receiver_outages: int
    memory: MemoryTrend
    exit_statuses: tuple[int | None, int | None]
    drain_s: float
    again_drain_s: float

    @property
    def passed(self) -> bool:
        """Whether nothing was lost and everything came back."""
        came_back = all(outage.recovery_s is not None for outage in self.outages)
        is_memory_good = self.memory.is_flat or self.seconds < _LEAST_S_FOR_MEMORY  # a short run is all warm-up
        return self.ledger.is_whole and came_back and is_memory_good and self.exit_statuses == (0, 0)


def _soak(
    folder: Path, seconds: float, n_camera_outages: int, n_receiver_outages: int, down_s: float, bundle: Path
) -> Soak:
    video = make_video(folder, seconds + 600)
    teach(bundle, video, folder / "line.adaptation")
    events = EventFile(folder / "events.jsonl")
    with FlakyCamera(video=video) as camera, FlakyWebhook() as webhook, FlakyBroker(folder) as broker:
        command = [sys.executable, _SCRIPT, "--camera", f"{camera.uri}#timeout_s=3", "--bundle", bundle, "--quiet"]
        command += ["--adaptation", folder / "line.adaptation", "--events", folder / "events.jsonl"]
        command += ["--webhook", webhook.url, "--mqtt", broker.uri, "--spool", folder / "spool"]
        command += ["--unknowns", folder / "unknowns", "--max-unknowns-mb", 5, "--heartbeat-s", 5, "--station", "soak"]
        with App([str(part) for part in command]) as app:
            _wait_for(events, "label", 1, app)
            breaker = threading.Thread(
                target=_break_receivers, args=(webhook, broker, n_receiver_outages, down_s, seconds)
            )
            with MemorySampler(app.pid, every_s=1.0) as memory:
                breaker.start()
                outages = break_camera(
                    camera, n_outages=n_camera_outages, down_s=down_s, seconds=seconds,
                    pictures=lambda: events.count("label"),
                )  # fmt: skip
                breaker.join()
            drain_s = _drain(events, webhook, broker, _DRAIN_S)
        # What a receiver refused while the inspector ended waits in the spool: the next run delivers it.
        webhook.refuses_some = False
        with App([str(part) for part in command]) as again:
            _wait_for(events, "started", 2, again)
            again_drain_s = _drain(events, webhook, broker, _DRAIN_S)
        _drain(events, webhook, broker, 5.0)  # the last event: that it stopped
        ledger = _ledger(events, webhook, broker)
    trend = memory.trend(skip_s=_WARM_UP_SHARE * seconds)
    ends = (app.exit_status, again.exit_status)
    return Soak(seconds, ledger, outages, n_receiver_outages, trend, ends, drain_s, again_drain_s)


def _wait_for(events: EventFile, kind: str, n: int, app: App) -> None:
    deadline_s = time.monotonic() + 120
    while events.count(kind) < n:
        if time.monotonic() > deadline_s or not app.is_running:
            raise click.ClickException(f"event {kind!r} number {n} is missing; printed: {' | '.join(app.lines)}")
        time.sleep(0.1)


def _break_receivers(webhook: FlakyWebhook, broker: FlakyBroker, n_outages: int, down_s: float, seconds: float) -> None:
    start_s = time.monotonic()
    for number in range(n_outages):
        time.sleep(max(0.0, start_s + seconds * (number + 0.3) / n_outages - time.monotonic()))
        broker.stop()
        webhook.is_down = True
        time.sleep(down_s)
        broker.start()
        time.sleep(down_s)
        webhook.is_down = False


def _drain(events: EventFile, webhook: FlakyWebhook, broker: FlakyBroker, longest_s: float) -> float:
    """Wait until all that was written has arrived; return how long that took."""
    start_s = time.monotonic()
    while time.monotonic() < start_s + longest_s and events.read().keys() - (webhook.ids.keys() & broker.ids.keys()):
        time.sleep(0.1)
    return time.monotonic() - start_s


def _ledger(events: EventFile, webhook: FlakyWebhook, broker: FlakyBroker) -> Ledger:
    written = list(events.read())
    arrived = {"webhook": list(webhook.ids), "mqtt": list(broker.ids)}
    return Ledger(
        n_events=len(written),
        n_labels=events.count("label"),
        n_camera_losses=events.count("camera_lost"),
        missing={name: len(set(written) - set(ids)) for name, ids in arrived.items()},
        repeated={"webhook": webhook.n_received - len(webhook.ids), "mqtt": broker.n_received - len(broker.ids)},
        in_order={name: [i for i in written if i in set(ids)] == ids for name, ids in arrived.items()},
    )


def _print(soak: Soak) -> None:
    ledger, memory = soak.ledger, soak.memory
    recoveries = [outage.recovery_s for outage in soak.outages if outage.recovery_s is not None]
    table = Table("What", "Result", title=f"{soak.seconds / 60:.1f} minutes of the line inspector")
    table.add_row("events written", f"{ledger.n_events}, {ledger.n_labels} of them labels")
    for name, n_missing in ledger.missing.items():
        order = "in order" if ledger.in_order[name] else "OUT OF ORDER"
        repeated = ledger.repeated[name]
        table.add_row(f"arrived by {name}", f"{n_missing} missing, {repeated} repeated, {order}")
    table.add_row("camera killed", f"{len(soak.outages)} times, told {ledger.n_camera_losses} times")
    longest = f", at most {max(recoveries):.1f} s until the next label" if recoveries else ""
    table.add_row("camera back", f"{len(recoveries)} of {len(soak.outages)}{longest}")
    table.add_row(
        "broker and webhook away", f"{soak.n_receiver_outages} times; all delivered {soak.drain_s:.1f} s after"
    )
    slope = f"{memory.mb_per_hour:+.1f} ± {memory.half_width:.1f} MB an hour over {memory.minutes:.1f} minutes"
    table.add_row("memory", f"{memory.first_mb:.0f} MB to {memory.last_mb:.0f} MB; {slope}")
    table.add_row("its course, MB", " ".join(f"{mb:.1f}" for mb in memory.tenths_mb))
    table.add_row("started once more", f"what was left was delivered {soak.again_drain_s:.1f} s after")
    table.add_row("exit statuses", ", ".join(map(str, soak.exit_statuses)))
    Console().print(table)


if __name__ == "__main__":
    main()
