"""Operations on saved adaptations."""

from __future__ import annotations

from hyperflow_runtime import AdaptationFileError
from server.api.operation import Call, FileAnswer, Operation, Upload
from server.problems import Problem
from server.schemas import SavedAdaptation, SaveRequest, State
from server.store import most_file_bytes
from server.studio_parts import StudioParts

__all__ = ["OPERATIONS"]

_MEDIA_TYPE = "application/octet-stream"
_OVERWRITE = {"overwrite": "true replaces an older file of that name"}


def _list(studio: StudioParts, call: Call) -> list[SavedAdaptation]:
    return studio.store.saved()


def _save(studio: StudioParts, call: Call) -> SavedAdaptation:
    name, overwrite = call.body.name, call.body.overwrite
    path = studio.store.for_writing(name, overwrite=overwrite)
    try:
        studio.workspace.save(path, name, overwrite=overwrite)
    except AdaptationFileError as error:
        raise Problem(409 if path.exists() and not overwrite else 507, str(error)) from error
    studio.hub.announce_saved()
    return studio.store.describe(name)


def _load(studio: StudioParts, call: Call) -> State:
    name = call.path["name"]
    studio.workspace.load(studio.store.existing(name), name)
    return studio.describer.state()


def _delete(studio: StudioParts, call: Call) -> None:
    name = call.path["name"]
    studio.store.delete(name)
    studio.workspace.forget_name(name)
    studio.hub.announce_saved()


def _download(studio: StudioParts, call: Call) -> FileAnswer:
    path = studio.store.existing(call.path["name"])
    return FileAnswer(path, path.name)


def _upload(studio: StudioParts, call: Call) -> SavedAdaptation:
    kept = studio.store.put(call.path["name"], call.body, overwrite=call.query.get("overwrite") == "true")
    studio.hub.announce_saved()
    return kept


_FULL = "the folder cannot be written"
_BAD_NAME = "the name is not fit for a file"
_ABSENT = {404: "there is none of that name", 422: _BAD_NAME}

OPERATIONS = (
    Operation("GET", "/api/adaptations", _list, "Saved adaptations, newest first.", answer=list[SavedAdaptation]),
    Operation(
        "POST", "/api/adaptations", _save, "Save the session under a name.",
        {400: "the body is not JSON", 409: "the name exists, or there is nothing adapted to save", 422: _BAD_NAME,
         507: _FULL}, 201, body=SaveRequest, answer=SavedAdaptation,
    ),
    Operation(
        "POST", "/api/adaptations/{name}/load", _load, "Put a saved adaptation in the place of the session.",
        {404: _ABSENT[404], 422: f"{_BAD_NAME}, or the file is torn or of another bundle"}, answer=State,
    ),
    Operation("DELETE", "/api/adaptations/{name}", _delete, "Delete a saved adaptation.",
              {**_ABSENT, 507: _FULL}, 204),
    Operation(
        "GET", "/api/adaptations/{name}/file", _download, "Download a saved adaptation.", _ABSENT, answer=_MEDIA_TYPE
    ),
    Operation(
        "PUT", "/api/adaptations/{name}/file", _upload, "Upload an adaptation; it is kept when it can be loaded.",
        {409: "the name exists", 413: "larger than any adaptation of this bundle",
         422: f"{_BAD_NAME}, or the file is torn or of another bundle", 507: _FULL}, 201,
        body=Upload((_MEDIA_TYPE,), lambda studio: most_file_bytes(studio.model)), answer=SavedAdaptation,
        query=_OVERWRITE,
    ),
)  # fmt: skip
"""All of them."""
