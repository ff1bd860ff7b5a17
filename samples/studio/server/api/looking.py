"""Operations on what is to be seen: the rendered scene, and the map."""

from __future__ import annotations

import msgspec

from hyperflow_runtime.cameras.source import Stage
from hyperflow_runtime.errors import CameraError
from server.api.operation import Call, Operation
from server.problems import Problem
from server.schemas import Maps, StageRequest, StageState
from server.studio_parts import StudioParts

__all__ = ["OPERATIONS"]

_NO_STAGE = {404: "the camera is not a rendered scene"}


def _stage_of(studio: StudioParts) -> Stage:
    stage = studio.camera.stage
    if stage is None:
        raise Problem(404, "The camera is not a rendered scene; start the studio with --camera synthetic:// for one.")
    return stage


def _state(stage: Stage) -> StageState:
    return StageState(list(stage.things), stage.shown, stage.in_turn)


def _stage(studio: StudioParts, call: Call) -> StageState:
    return _state(_stage_of(studio))


def _show(studio: StudioParts, call: Call) -> StageState:
    stage, wish = _stage_of(studio), call.body
    if wish.in_turn == (wish.shown is not msgspec.UNSET):
        raise Problem(422, "Say either what is to be shown, or in_turn true.")
    try:
        if wish.in_turn:
            stage.show_in_turn()
        else:
            stage.show(wish.shown)
    except CameraError as error:
        raise Problem(422, str(error)) from error
    return _state(stage)


def _maps(studio: StudioParts, call: Call) -> Maps:
    return studio.maps.maps()


OPERATIONS = (
    Operation("GET", "/api/stage", _stage, "What the rendered scene shows.", _NO_STAGE, answer=StageState),
    Operation(
        "POST", "/api/stage", _show, "Show one thing, the empty desk, or one thing after the other.",
        {**_NO_STAGE, 400: "the body is not JSON", 422: "no such thing"}, body=StageRequest, answer=StageState,
    ),
    Operation("GET", "/api/map", _maps, "The support in two dimensions, without and with adapting.", answer=Maps),
)  # fmt: skip
"""All of them."""
