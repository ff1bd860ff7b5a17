"""Put the parts together, run them, and take them apart in the right order."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from types import FrameType

from choices import Choices, n_bytes, open_sinks
from delivery.credential import CredentialError
from delivery.database import SpoolError
from delivery.log import LOG, log_to_stderr
from delivery.outbox import Outbox
from delivery.webhook_sink import AddressError
from hyperflow_runtime import HyperflowRuntimeError, Model, __version__, open_bundle
from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.cameras.opening import open_camera
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.errors import CameraError
from hyperflow_runtime.heap import limit_arenas
from hyperflow_runtime.live.classifying import LiveClassifier
from inspection.adaptation_watch import AdaptationWatch, fingerprint
from inspection.inspector import Inspector, Parts
from inspection.label_watch import LabelWatch, Origin
from inspection.service_manager import ServiceManager
from inspection.unknown_pictures import UnknownPictures
from line_events.event import Started, Stopped
from line_events.stamping import Stamper

__all__ = ["run"]


class _Asked:
    """What signals ask for."""

    def __init__(self) -> None:
        self.to_stop, self.to_reload = threading.Event(), threading.Event()
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, self._reload)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.to_stop.set()

    def _reload(self, _number: int, _frame: FrameType | None) -> None:
        self.to_reload.set()


def run(choices: Choices) -> int:
    """Inspect until a signal, or until the source is over.

    Returns:
        Exit status: 0 at the end, 1 when something failed, 2 when an option is wrong.
    """
    limit_arenas()  # before any thread
    log_to_stderr()
    asked = _Asked()
    try:
        with contextlib.ExitStack() as stack:
            model = stack.enter_context(open_bundle(choices.bundle, n_threads=choices.threads))
            loaded = fingerprint(choices.adaptation)  # first: a file that is replaced from here on is loaded anew
            session = model.session(choices.adaptation)
            watch = AdaptationWatch(session, choices.adaptation, loaded=loaded)
            camera = stack.enter_context(_opened_camera(choices))
            sinks = open_sinks(choices, on_reader_gone=asked.to_stop.set)
            outbox = stack.enter_context(Outbox(sinks, folder=choices.spool, max_bytes=n_bytes(choices.max_spool_mb)))
            _inspect(choices, asked, camera, model, watch, outbox)
    except (AddressError, CredentialError) as error:
        return _failed(error, 2)
    except (HyperflowRuntimeError, SpoolError, OSError) as error:
        return _failed(error, 1)
    return 0


def _failed(error: Exception, status: int) -> int:
    print(f"Error: {error}", file=sys.stderr)
    return status


def _opened_camera(choices: Choices) -> Camera:
    try:
        return open_camera(choices.camera, CameraOptions(fps=choices.fps), wait=False)
    except CameraError as error:
        raise AddressError(str(error)) from error


def _inspect(
    choices: Choices, asked: _Asked, camera: Camera, model: Model, adaptation: AdaptationWatch, outbox: Outbox
) -> None:
    session, stamper, manager = adaptation.session, Stamper(choices.station), ServiceManager()
    pictures = None
    if choices.unknowns is not None:
        pictures = UnknownPictures(choices.unknowns, max_bytes=n_bytes(choices.max_unknowns_mb))
    origin = Origin(choices.adaptation.name, model.manifest.name)
    labels = LabelWatch(stamper, origin, pictures, hold_s=choices.hold_ms / 1e3, every_s=choices.unknown_every_s)
    for note in model.notes:
        LOG.info("%s", note)
    outbox.post(
        Started(
            **stamper.stamp(),
            camera=camera.status.description,
            bundle=model.manifest.name,
            backend=model.backend,
            adaptation=origin.adaptation,
            classes=list(session.labels),
            version=__version__,
        )
    )
    reason = "failed"
    try:
        with LiveClassifier(camera, session, budget_ms=choices.budget_ms) as live:
            parts = Parts(
                camera=camera,
                live=live,
                adaptation=adaptation,
                labels=labels,
                pictures=pictures,
                stamper=stamper,
                outbox=outbox,
                manager=manager,
                reload_asked=asked.to_reload,
            )
            manager.ready()
            reason = Inspector(parts, heartbeat_s=choices.heartbeat_s).run(asked.to_stop.is_set)
    except HyperflowRuntimeError as error:
        reason = str(error)
        raise
    finally:
        manager.stopping()
        outbox.post(Stopped(**stamper.stamp(), reason=reason))
