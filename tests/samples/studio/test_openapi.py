"""The API's document: it says all that the studio does, and what the studio says is as it says."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from studio_pictures import picture

FIELDS = ("name", "overwrite", "shown", "in_turn")
WITH_JSON = (
    ("POST", "/api/classes"), ("PATCH", "/api/classes/{class_id}"), ("POST", "/api/adaptations"), ("POST", "/api/stage")
)  # fmt: skip
PATH_PARTS = {"class_id": "c999", "shot_id": "999", "name": "none"}


class Document(dict[str, Any]):
    def __repr__(self) -> str:  # hypothesis refuses to print all of it
        return "Document"


@pytest.fixture
def document(client: httpx.Client) -> dict[str, Any]:
    return Document(client.get("/openapi.json").json())


def check(document: dict[str, Any], method: str, path: str, answer: httpx.Response) -> None:
    """Hold an answer to what the document says of it."""
    responses = document["paths"][path][method.lower()]["responses"]
    assert str(answer.status_code) in responses, f"{method} {path}: {answer.status_code} is not documented"
    content = responses[str(answer.status_code)].get("content", {})
    media = answer.headers.get("Content-Type", "").partition(";")[0]
    assert (media in content) or (not content and not answer.content), f"{method} {path}: {media} is not documented"
    if "json" in media:
        schema = {**content[media]["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(answer.json())


def test_every_operation_answers_something_that_is_documented_even_when_it_is_refused(
    client: httpx.Client, document: dict[str, Any]
) -> None:
    n_operations = 0
    for path, methods in document["paths"].items():
        for method in methods:
            real = re.sub(r"\{(\w+)\}", lambda part: PATH_PARTS[part[1]], path)
            check(document, method, path, client.request(method, real))
            n_operations += 1
    assert n_operations == 19


def test_a_whole_session_answers_as_documented(client: httpx.Client, document: dict[str, Any]) -> None:
    def do(method: str, path: str, status: int, **more: Any) -> httpx.Response:
        parts = more.pop("parts", {})
        answer = client.request(method, path.format(**parts), **more)
        assert answer.status_code == status, answer.text
        check(document, method, path, answer)
        return answer

    for colour in ("red", "blue"):
        part = {"class_id": do("POST", "/api/classes", 201, json={"name": colour}).json()["id"]}
        for seed in range(3):
            shot = do("POST", "/api/classes/{class_id}/shots", 201, content=picture(colour, seed), parts=part).json()
        do("PATCH", "/api/classes/{class_id}", 200, json={"name": f"{colour}!"}, parts=part)
        do("GET", "/api/shots/{shot_id}/image", 200, parts=shot)
        do("DELETE", "/api/shots/{shot_id}", 204, parts=shot)
    do("POST", "/api/adaptations", 201, json={"name": "a b.c"})
    do("GET", "/api/adaptations", 200)
    data = do("GET", "/api/adaptations/{name}/file", 200, parts={"name": "a b.c"}).content
    do("PUT", "/api/adaptations/{name}/file", 201, content=data, parts={"name": "other"})
    do("GET", "/api/map", 200)
    do("GET", "/api/state", 200)
    do("POST", "/api/clear", 200)
    do("POST", "/api/adaptations/{name}/load", 200, parts={"name": "other"})
    do("POST", "/api/undo", 200)
    do("POST", "/api/stage", 200, json={"shown": None})
    do("GET", "/api/stage", 200)
    do("DELETE", "/api/adaptations/{name}", 204, parts={"name": "other"})
    do("DELETE", "/api/classes/{class_id}", 404, parts={"class_id": "c0"})


def test_the_readable_page_names_every_operation_and_type(client: httpx.Client, document: dict[str, Any]) -> None:
    page = client.get("/api").text

    for path, methods in document["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in page
    for name in document["components"]["schemas"]:
        assert f"<code>{name}</code>" in page
    assert "LiveMessage" in document["components"]["schemas"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(WITH_JSON), body=JSON)
def test_no_json_makes_the_studio_stumble(
    client: httpx.Client, document: dict[str, Any], path: tuple[str, str], body: object
) -> None:
    method, route = path

    check(document, method, route, client.request(method, route.format(class_id="c0"), json=body))
