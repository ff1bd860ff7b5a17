"""The map of the support, before and after adapting, made anew when the session has changed."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from hyperflow_runtime import AdaptationError, Prediction, Session
from hyperflow_runtime.support import Shot
from server.cards import Cards
from server.live_schemas import LiveMap
from server.projection import Array, Projection, fit_projection
from server.schemas import Map, MapPoint, Maps
from server.workspace import Workspace

__all__ = ["MapMaker"]

_MOST_TRIES = 5


@dataclass(frozen=True, eq=False)
class _Fitted:
    """One map: which shots it was fitted to, their features (S, D), and where these go."""

    shots: tuple[Shot, ...]
    features: Array
    projection: Projection


class MapMaker:
    """Fits the two maps of a workspace. Any thread may call it."""

    def __init__(self, workspace: Workspace) -> None:
        """Start without a map."""
        self._workspace = workspace
        self._lock = threading.Lock()
        self._version = -1
        self._before: _Fitted | None = None
        self._after: _Fitted | None = None

    def maps(self) -> Maps:
        """Return the maps of what the session holds now; while it adapts, the one after is that of the last theta."""
        with self._lock:
            if self._version != self._workspace.session.version:
                self._fit(self._workspace.session)
            cards = self._workspace.cards
            return Maps(_map(self._before, cards), _map(self._after, cards))

    def _fit(self, session: Session) -> None:
        """Look at the session until it held still meanwhile: shots arrive and adaptations end at any moment."""
        for _ in range(_MOST_TRIES):
            self._version, shots = session.version, session.shots
            before, after = _features(session, adapted=False), _features(session, adapted=True)
            if session.version == self._version:
                break
        self._before = _fitted(shots, before)
        self._after = _fitted(shots, after) or (_less(self._after, shots) if session.is_adapted else None)

    def places(self, direct: Prediction | None, adapted: Prediction | None) -> LiveMap:
        """Return where a frame lies on the maps that `maps` gave last."""
        return LiveMap(_place(self._before, direct), _place(self._after, adapted))


def _fitted(shots: tuple[Shot, ...], features: Array | None) -> _Fitted | None:
    if features is None or len(features) != len(shots):
        return None
    projection = fit_projection(features)
    return None if projection is None else _Fitted(shots, features, projection)


def _less(fitted: _Fitted | None, shots: tuple[Shot, ...]) -> _Fitted | None:
    """Return a map without the shots that are gone."""
    if fitted is None:
        return None
    present = {shot.shot_id: shot for shot in shots}
    kept = [index for index, shot in enumerate(fitted.shots) if shot.shot_id in present]
    if not kept:
        return None
    return _Fitted(
        tuple(present[fitted.shots[index].shot_id] for index in kept), fitted.features[kept], fitted.projection
    )


def _features(session: Session, *, adapted: bool) -> Array | None:
    try:
        return session.support_features(adapted=adapted) if session.shots else None
    except AdaptationError:
        return None


def _map(fitted: _Fitted | None, cards: Cards) -> Map | None:
    if fitted is None:
        return None
    points = []
    for shot, (x, y) in zip(fitted.shots, fitted.projection.place(fitted.features).tolist(), strict=True):
        class_id = cards.id_of(shot.label)
        if class_id is not None:
            points.append(MapPoint(shot.shot_id, class_id, x, y))
    return Map(points, fitted.projection.explained)


def _place(fitted: _Fitted | None, prediction: Prediction | None) -> tuple[float, float] | None:
    if fitted is None or prediction is None:
        return None
    x, y = fitted.projection.place(prediction.feature[None])[0].tolist()
    return x, y
