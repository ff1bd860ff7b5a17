"""Operations on classes and their shots."""

from __future__ import annotations

from concurrent.futures import Future

from hyperflow_runtime.errors import CameraError
from server.api.operation import Answered, Call, Operation, Upload
from server.pictures import decode_upload, shot_png
from server.problems import Problem
from server.schemas import Captured, ClassName, ClassState, State
from server.studio_parts import StudioParts

__all__ = ["OPERATIONS"]

_ENCODE_WAIT_S = 30.0
_GONE = "the class was deleted, perhaps in another window"
_IMAGES = ("image/jpeg", "image/png", "image/webp", "image/bmp")


def _state(studio: StudioParts, call: Call) -> State:
    return studio.describer.state()


def _class_state(studio: StudioParts, class_id: str) -> ClassState:
    for described in studio.describer.state().classes:
        if described.id == class_id:
            return described
    raise Problem(404, "This class was already deleted, perhaps in another window.")


def _create(studio: StudioParts, call: Call) -> ClassState:
    card = studio.workspace.create_class(call.body.name)
    return ClassState(card.class_id, card.name, [], card.colour_index)


def _rename(studio: StudioParts, call: Call) -> ClassState:
    return _class_state(studio, studio.workspace.rename_class(call.path["class_id"], call.body.name).class_id)


def _delete(studio: StudioParts, call: Call) -> None:
    studio.workspace.delete_class(call.path["class_id"])


def _capture(studio: StudioParts, call: Call) -> Captured:
    studio.workspace.cards.get(call.path["class_id"])
    status, frame = studio.camera.status, studio.camera.newest
    if frame is None or status.state not in ("live", "ended"):
        raise CameraError(f"There is no picture to take: {status.last_error or f'the camera is {status.state}'}.")
    return _captured(studio.workspace.offer_shot(call.path["class_id"], frame.image_bgr))


def _upload(studio: StudioParts, call: Call) -> Captured:
    studio.workspace.cards.get(call.path["class_id"])
    image = decode_upload(call.body, max_pixels=studio.describer.upload_pixels)
    return _captured(studio.workspace.offer_shot(call.path["class_id"], image))


def _captured(future: Future[int]) -> Captured:
    return Captured(future.result(_ENCODE_WAIT_S))


def _shot_id(call: Call) -> int:
    text = call.path["shot_id"]
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Problem(404, f"There is no picture {text!r:.40}; pictures have numbers.")
    return int(text)


def _delete_shot(studio: StudioParts, call: Call) -> None:
    studio.workspace.delete_shot(_shot_id(call))


def _image(studio: StudioParts, call: Call) -> Answered:
    shot = studio.workspace.shot(_shot_id(call))
    if shot.image_rgb is None:
        raise Problem(404, "This shot was saved without its picture.")
    return Answered(shot_png(shot.image_rgb), "image/png")


def _undo(studio: StudioParts, call: Call) -> State:
    studio.workspace.undo()
    return studio.describer.state()


def _clear(studio: StudioParts, call: Call) -> State:
    studio.workspace.clear()
    return studio.describer.state()


_NAME_PROBLEMS = {400: "the body is not JSON", 409: "the name is taken, or no more classes fit", 422: "a bad name"}
_SHOT_PROBLEMS = {404: _GONE, 409: "the bundle takes no more shots", 429: "shots come faster than they are encoded"}

OPERATIONS = (
    Operation("GET", "/api/state", _state, "Everything but the live answers.", answer=State),
    Operation(
        "POST", "/api/classes", _create, "Make a class.", _NAME_PROBLEMS, 201, body=ClassName, answer=ClassState
    ),
    Operation(
        "PATCH", "/api/classes/{class_id}", _rename, "Give a class another name.", {**_NAME_PROBLEMS, 404: _GONE},
        body=ClassName, answer=ClassState,
    ),
    Operation("DELETE", "/api/classes/{class_id}", _delete, "Delete a class with its shots.", {404: _GONE}, 204),
    Operation(
        "POST", "/api/classes/{class_id}/capture", _capture, "Add the camera's newest frame to a class.",
        {**_SHOT_PROBLEMS, 503: "no camera, or the device is too busy"}, 201, answer=Captured,
    ),
    Operation(
        "POST", "/api/classes/{class_id}/shots", _upload, "Add an image file to a class.",
        {**_SHOT_PROBLEMS, 400: "empty", 413: "too many bytes or pixels", 415: "not an image, or not a whole one",
         503: "the device is too busy to encode it"}, 201,
        body=Upload(_IMAGES, lambda studio: studio.describer.upload_bytes), answer=Captured,
    ),
    Operation("DELETE", "/api/shots/{shot_id}", _delete_shot, "Delete a shot.", {404: "it was deleted already"}, 204),
    Operation(
        "GET", "/api/shots/{shot_id}/image", _image, "A shot as the model sees it, cropped.",
        {404: "it was deleted, or saved without its picture"}, answer="image/png",
    ),
    Operation("POST", "/api/undo", _undo, "Take back the last change.", {409: "nothing to undo"}, answer=State),
    Operation("POST", "/api/clear", _clear, "Delete all classes; undo takes it back.", answer=State),
)  # fmt: skip
"""All of them."""
