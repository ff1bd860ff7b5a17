"""From the workspace, the camera and the model to the `State` that the page shows."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from hyperflow_runtime import AdaptReport, Model
from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.support import Shot
from server.cards import Cards
from server.schemas import AdaptationState, CameraState, ClassState, Limits, ModelState, ShotState, State, Status
from server.workspace import Workspace

__all__ = ["Describer", "describe_camera"]


def describe_camera(camera: Camera) -> CameraState:
    """Return how the camera is doing, now."""
    status = camera.status
    return CameraState(
        state=status.state, description=status.description, width=status.width, height=status.height,
        fps=round(status.fps, 1), n_dropped=status.n_dropped, n_reconnects=status.n_reconnects,
        last_error=status.last_error, is_rendered=camera.stage is not None,
    )  # fmt: skip


@dataclass(frozen=True)
class Describer:
    """Builds `State`. It may wait for an edit to end, so the event loop calls it in a thread.

    Attributes:
        workspace: What is shared.
        camera: Of the studio.
        model: Opened.
        upload_bytes: Largest image file.
        upload_pixels: Most pixels of an uploaded image.
    """

    workspace: Workspace
    camera: Camera
    model: Model
    upload_bytes: int
    upload_pixels: int

    def state(self) -> State:
        """Return all that the page shows, as of one moment."""
        limits = self.model.manifest.limits
        camera = describe_camera(self.camera)
        with self.workspace.locked() as workspace:
            return State(
                version=workspace.version,
                classes=_classes(workspace.cards, workspace.session.shots),
                adaptation=_adaptation(workspace),
                can_undo=workspace.can_undo,
                waiting_shots=workspace.n_waiting,
                limits=Limits(limits.max_ways, limits.max_support, self.upload_bytes, self.upload_pixels),
                camera=camera,
                model=ModelState(self.model.manifest.name, self.model.backend, list(self.model.notes)),
                adaptation_name=workspace.adaptation_name,
            )


def _classes(cards: Cards, shots: tuple[Shot, ...]) -> list[ClassState]:
    of_label: dict[str, list[ShotState]] = defaultdict(list)
    for shot in shots:
        of_label[shot.label].append(ShotState(shot.shot_id))
    return [ClassState(card.class_id, card.name, of_label[card.name], card.colour_index) for card in cards.cards]


def _adaptation(workspace: Workspace) -> AdaptationState:
    report = workspace.session.report
    before = None if report is None else _accuracy_before(report)
    return AdaptationState(
        status=_status(workspace),
        adapt_ms=report.timings_ms["total"] if report else None,
        timings_ms=dict(report.timings_ms) if report else {},
        step_size=report.step_size if report else None,
        accuracy_before=before,
        accuracy_after=report.leave_one_out_accuracy if report else None,
        notes=list(report.notes) if report else [],
        error=workspace.failure,
    )


def _accuracy_before(report: AdaptReport) -> float | None:
    """Accuracy with step size 0: doing nothing is always a candidate of the guard."""
    return next((tried.leave_one_out_accuracy for tried in report.candidates if tried.step_size == 0.0), None)


def _status(workspace: Workspace) -> Status:
    session = workspace.session
    if workspace.failure is not None:
        return "failed"
    if workspace.is_adapting:
        return "adapting"
    if not session.is_adapted:
        return "none"
    return "stale" if session.is_stale else "ready"
