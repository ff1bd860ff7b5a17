"""What strangers, other pages and broken clients send: each gets its status, a reason, and the studio lives on."""

from __future__ import annotations

import io
import struct
import zlib

import httpx
import pytest
from PIL import Image
from running_studio import RunningStudio

JSON = {"Content-Type": "application/json"}


def check_problem(answer: httpx.Response, status: int, text: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert text in problem["detail"], problem


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of_size(width: int, height: int) -> bytes:
    """A few bytes that say they are a large picture."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


def png(colour: tuple[int, int, int] = (200, 30, 30)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def mug(client: httpx.Client) -> str:
    return str(client.post("/api/classes", json={"name": "mug"}).json()["id"])


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1", "http://[", "file://"])
def test_requests_of_other_pages_are_refused(client: httpx.Client, origin: str) -> None:
    check_problem(client.post("/api/classes", json={"name": "x"}, headers={"Origin": origin}), 403, "studio's own page")


def test_requests_of_the_own_page_are_taken(client: httpx.Client, studio: RunningStudio) -> None:
    assert client.post("/api/clear", headers={"Origin": studio.url}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8040", "localhost.evil.example", "", "[", "10.0.0.1"])
def test_requests_under_another_name_are_refused_so_that_rebinding_is_in_vain(client: httpx.Client, host: str) -> None:
    check_problem(client.get("/api/state", headers={"Host": host}), 421, "does not answer to the name")


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1:9000", "LOCALHOST", "[::1]:8040"])
def test_own_names_are_taken_through_any_port_as_tunnels_have_their_own(client: httpx.Client, host: str) -> None:
    assert client.get("/api/state", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/api/classes", "/api/undo", "/api/adaptations/x/load", "/nowhere"])
def test_a_request_without_the_studios_header_is_refused_as_a_form_of_another_site_sends_it(
    client: httpx.Client, path: str
) -> None:
    answer = client.post(path, content=b'{"name":"x"}', headers={"X-HyperFlow-Studio": ""})

    check_problem(answer, 403, "X-HyperFlow-Studio: 1 is missing")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"name=mug"])
def test_a_body_that_is_not_json_is_refused(client: httpx.Client, body: bytes) -> None:
    check_problem(client.post("/api/classes", content=body, headers=JSON), 400, "not JSON")


@pytest.mark.parametrize(
    "body", ["null", "[]", '"mug"', "{}", '{"name": 7}', '{"name": null}', '{"name":"x","y":1}', "[" * 60_000]
)
def test_json_of_another_shape_is_refused(client: httpx.Client, body: str) -> None:
    check_problem(client.post("/api/classes", content=body, headers=JSON), 422, "not understood")


def test_json_beyond_64_kib_is_refused(client: httpx.Client) -> None:
    check_problem(client.post("/api/classes", json={"name": "x" * 2**20}), 413, "65,536 bytes")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0b", "\u202e", "x" * 81])
def test_a_bad_class_name_is_refused(client: httpx.Client, name: str) -> None:
    check_problem(client.post("/api/classes", json={"name": name}), 422, "")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT"])
@pytest.mark.parametrize("path", ["/nowhere", "/api/nothing", "/api/classes/c1/x", "/api/state/", "/static/none.js"])
def test_an_unknown_path_is_404_or_405_in_words(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)

    check_problem(answer, answer.status_code, "/api lists what")
    assert answer.status_code in (404, 405)


def test_a_method_that_a_path_lacks_is_405_and_says_which_there_are(client: httpx.Client) -> None:
    answer = client.put("/api/undo")

    check_problem(answer, 405, "PUT is not possible")
    assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize("path", ["/static/../studio.py", "/static/%2e%2e/studio.py", "/static/..%2fstudio.py"])
def test_nothing_outside_the_page_is_served(client: httpx.Client, path: str) -> None:
    url = client.base_url.copy_with(raw_path=path.encode())

    assert client.get(url).status_code == 404


def test_an_empty_upload_is_refused(client: httpx.Client, mug: str) -> None:
    check_problem(client.post(f"/api/classes/{mug}/shots", content=b""), 400, "0 bytes")


@pytest.mark.parametrize(
    "data",
    [
        b"<!doctype html><script>alert(1)</script>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"GIF89a" + bytes(50),
        png()[:-30],
        png_of_size(10, 10),
        bytes(1000),
    ],
    ids=["html", "postscript", "gif", "half a png", "png with too few rows", "zeros"],
)
def test_what_is_no_whole_image_is_refused_whatever_its_header_says(
    client: httpx.Client, mug: str, data: bytes
) -> None:
    answer = client.post(f"/api/classes/{mug}/shots", content=data, headers={"Content-Type": "image/png"})

    check_problem(answer, 415, "no whole JPEG, PNG, WebP or BMP image")


@pytest.mark.parametrize("size", [(10_000, 10_000), (2**31 - 1, 2**31 - 1), (40_000_001, 1)])
def test_a_hundred_megapixels_in_a_hundred_bytes_are_refused_before_they_are_decoded(
    client: httpx.Client, mug: str, size: tuple[int, int]
) -> None:
    check_problem(client.post(f"/api/classes/{mug}/shots", content=png_of_size(*size)), 413, "make it smaller")


def test_a_picture_of_three_rows_is_refused(client: httpx.Client, mug: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 3)).save(buffer, "PNG")

    check_problem(client.post(f"/api/classes/{mug}/shots", content=buffer.getvalue()), 415, "40 x 3 px")


def test_an_upload_beyond_the_limit_is_refused_however_long_it_says_it_is(client: httpx.Client, mug: str) -> None:
    def chunks() -> object:
        for _ in range(18):
            yield bytes(2**20)

    answer = client.post(f"/api/classes/{mug}/shots", content=chunks())  # type: ignore[arg-type]

    check_problem(answer, 413, "16,777,216 bytes")


def test_the_image_is_known_by_its_content_not_by_its_header(client: httpx.Client, mug: str) -> None:
    answer = client.post(f"/api/classes/{mug}/shots", content=png(), headers={"Content-Type": "text/html"})

    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("shot_id", ["7777", "-1", "x", "1e3", "9" * 30, "\u0661"])
def test_an_unknown_shot_is_404(client: httpx.Client, shot_id: str) -> None:
    assert client.get(f"/api/shots/{shot_id}/image").status_code == 404
    check_problem(client.delete(f"/api/shots/{shot_id}"), 404, "")


@pytest.mark.parametrize(
    "name", ["../x", "..", ".hidden", "a/b", "x" * 65, "", " x", "x ", "caf\u00e9", "a\nb", "x.", "~"]
)
def test_a_name_that_is_not_fit_for_a_file_is_refused(client: httpx.Client, name: str) -> None:
    check_problem(client.post("/api/adaptations", json={"name": name}), 422, "cannot be the name")


@pytest.mark.parametrize("name", ["..%2fx", "%2e%2e", ".hidden", "x%00", "%20"])
def test_a_path_in_the_place_of_a_name_leads_nowhere(client: httpx.Client, name: str) -> None:
    url = client.base_url.copy_with(raw_path=f"/api/adaptations/{name}/file".encode())

    assert client.get(url).status_code in (404, 422)
    assert client.put(url, content=b"x").status_code in (404, 405, 422)


def test_a_thousand_classes_stop_at_the_bundles_limit(client: httpx.Client) -> None:
    limit = client.get("/api/state").json()["limits"]["max_ways"]
    answers = [client.post("/api/classes", json={"name": f"thing {number}"}) for number in range(1000)]

    assert [answer.status_code for answer in answers] == [201] * limit + [409] * (1000 - limit)
    check_problem(answers[-1], 409, f"at most {limit} classes")
    assert len(client.get("/api/state").json()["classes"]) == limit


def test_more_shots_than_the_bundle_takes_are_refused_with_its_limit(client: httpx.Client, mug: str) -> None:
    limit = client.get("/api/state").json()["limits"]["max_support"]
    for _ in range(limit):
        client.post(f"/api/classes/{mug}/shots", content=png()).raise_for_status()

    check_problem(client.post(f"/api/classes/{mug}/shots", content=png()), 409, f"limit of {limit}")
