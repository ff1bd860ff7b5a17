"""What the studio is made of, once it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hyperflow_runtime import Model
from hyperflow_runtime.cameras.camera import Camera
from server.describing import Describer
from server.hub import Hub
from server.maps import MapMaker
from server.store import AdaptationStore
from server.workspace import Workspace

__all__ = ["StudioParts", "studio_parts"]

_UPLOAD_BYTES = 16 * 2**20
_UPLOAD_PIXELS = 40_000_000


@dataclass(frozen=True)
class StudioParts:
    """All parts; operations get them.

    Attributes:
        model: Opened.
        camera: Running, or trying to.
        workspace: What all windows share.
        describer: Makes the state.
        maps: Makes the map.
        store: Saved adaptations.
        hub: All windows.
    """

    model: Model
    camera: Camera
    workspace: Workspace
    describer: Describer
    maps: MapMaker
    store: AdaptationStore
    hub: Hub


@contextmanager
def studio_parts(model: Model, camera: Camera, folder: Path) -> Iterator[StudioParts]:
    """Put the parts together, and end their work afterwards.

    Args:
        model: Opened; stays open.
        camera: Running, or trying to; stays so.
        folder: Of the saved adaptations; made when absent.

    Raises:
        OSError: The folder cannot be used.
    """
    store = AdaptationStore(folder, model)
    # Not baked: that would cost memory anew after every shot, and live answers are quick enough without.
    session, max_ways = model.session(bake=False), model.manifest.limits.max_ways
    workspace = Workspace(session, max_ways=max_ways, on_change=lambda: hub.announce_change())
    describer = Describer(workspace, camera, model, _UPLOAD_BYTES, _UPLOAD_PIXELS)
    hub = Hub(describer.state, camera)
    try:
        yield StudioParts(model, camera, workspace, describer, MapMaker(workspace), store, hub)
    finally:
        workspace.close()
