"""The Triton client against servers in processes of their own: a small one everywhere, Triton itself where it is."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hyperflow_export.triton.repository import write_repository
from hyperflow_runtime import BackendError, Model, Prediction, open_bundle, read_image
from hyperflow_runtime.bundle.reader import Bundle, read_bundle

pytest.importorskip("tritonclient.http", reason="needs tritonclient[http]")
pytest.importorskip("tritonclient.grpc.model_config_pb2", reason="needs grpcio")

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples/triton_client"
SERVERS = ROOT / "tests/export/triton"
COLOURS = {"red": (200, 40, 30), "green": (30, 180, 60), "blue": (40, 50, 210)}
N_NEW = 40  # more than the command sends in a call


@contextmanager
def running(*command: object) -> Iterator[str]:
    """Run a server's script until the block ends; give its address."""
    started = subprocess.Popen(
        [sys.executable, *map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdin is not None
    assert started.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(started.stdout.readline())}"
    finally:
        started.stdin.close()
        started.stdout.close()
        started.wait(timeout=60)


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return read_bundle(tiny_bundle)


@pytest.fixture(scope="module")
def repository(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(bundle, tmp_path_factory.mktemp("served") / "models").repository


@pytest.fixture(scope="module")
def small_server(repository: Path) -> Iterator[str]:
    with running(SERVERS / "kserve_server.py", repository) as url:
        yield url


@pytest.fixture(scope="module", params=["small", pytest.param("triton", marks=pytest.mark.tritonserver)])
def url(request: pytest.FixtureRequest, repository: Path) -> Iterator[str]:
    if request.param == "small":
        yield request.getfixturevalue("small_server")
    elif "HYPERFLOW_TRITONSERVER" not in os.environ:
        pytest.skip("needs HYPERFLOW_TRITONSERVER, the path of a tritonserver")
    else:
        with running(SERVERS / "tritonserver.py", os.environ["HYPERFLOW_TRITONSERVER"], repository) as address:
            yield address


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    (folder / "new").mkdir()
    names = [f"known/{label}/{index}.png" for label in COLOURS for index in range(4)]
    names += [f"new/{index:02}-{list(COLOURS)[index % 3]}.png" for index in range(N_NEW)]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (colour,) = (value for label, value in COLOURS.items() if label in name)
        pixels = np.clip(np.array(colour) + rng.normal(0, 40, (50, 70, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


@pytest.fixture
def triton_backend(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(SAMPLE)
    yield importlib.import_module("triton_backend")
    for name in ("triton_backend", "served_bundle", "connection"):
        sys.modules.pop(name, None)


def classify(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(SAMPLE / "classify.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def answers_of(model: Model, photos: Path) -> list[Prediction]:
    session = model.session(bake=False)
    for label in sorted(COLOURS):
        session.add(label, [read_image(photo) for photo in sorted((photos / "known" / label).iterdir())])
    session.adapt()
    return session.predict_batch([read_image(photo) for photo in sorted((photos / "new").iterdir())])


def test_the_server_s_predictions_are_those_of_the_device(url: str, tiny_bundle: Path, photos: Path) -> None:
    done = classify(url, tiny_bundle, photos / "known", photos / "new", "--json")

    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert result["backend"] == f"triton ({url}, tiny_backbone version 1)"
    with open_bundle(tiny_bundle, backend="onnxruntime") as model:
        expected = answers_of(model, photos)
    assert len(result["photos"]) == N_NEW
    assert [photo["label"] for photo in result["photos"]] == [answer.label for answer in expected]
    for photo, answer in zip(result["photos"], expected, strict=True):
        assert photo["scores"] == pytest.approx(dict(answer.scores), abs=1e-5)
        assert photo["cosine"] == pytest.approx(answer.cosine, abs=1e-5)


def test_the_backend_computes_what_the_device_computes_in_any_number_of_requests(
    url: str, bundle: Bundle, triton_backend: Any
) -> None:
    rng, manifest = np.random.default_rng(1), bundle.manifest
    side, n_images = manifest.preprocessing.size_px, 2 * manifest.limits.max_batch + 1
    images = rng.standard_normal((n_images, 3, side, side), dtype=np.float32)
    onehot = np.eye(3, dtype=np.float32).repeat(2, axis=0)
    remote = triton_backend.TritonBackend(bundle, url)

    with open_bundle(bundle.path, backend="onnxruntime") as model:
        local = model._backend
        features = local.encode(images, bundle.theta_0)
        theta, step_norms = local.adapt(features[:6], onehot, 0.5)
        np.testing.assert_allclose(remote.encode(images, bundle.theta_0), features, rtol=1e-4, atol=1e-5)
        drift = remote.adapt(features[:6], onehot, 0.5)
        np.testing.assert_allclose(drift.theta, theta, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(drift.step_norms, step_norms, rtol=1e-4)
        assert not np.allclose(drift.theta, bundle.theta_0)
        np.testing.assert_allclose(
            remote.encode(images[:2], theta), local.encode(images[:2], theta), rtol=1e-4, atol=1e-5
        )
    assert remote.encode(images[:0], theta).shape == (0, manifest.feature_dim)
    assert remote.baked(theta) is None
    remote.close()


def test_threads_share_a_backend(url: str, bundle: Bundle, triton_backend: Any) -> None:
    side = bundle.manifest.preprocessing.size_px
    images = np.random.default_rng(2).standard_normal((4, 3, side, side), dtype=np.float32)
    remote = triton_backend.TritonBackend(bundle, url)
    expected, results = remote.encode(images, bundle.theta_0), []

    def encode() -> None:
        for _ in range(3):
            results.append(remote.encode(images, bundle.theta_0))

    threads = [threading.Thread(target=encode) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == 18
    for result in results:
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
    remote.close()


def test_a_refused_request_says_what_the_server_said(url: str, bundle: Bundle, triton_backend: Any) -> None:
    remote = triton_backend.TritonBackend(bundle, url)

    with pytest.raises(BackendError, match=r"refuses tiny_backbone version 1 on inputs .*unexpected shape for input"):
        remote.encode(np.zeros((1, 3, 8, 8), np.float32), bundle.theta_0)

    remote.close()


def test_a_closed_backend_says_so_in_every_thread(small_server: str, bundle: Bundle, triton_backend: Any) -> None:
    remote = triton_backend.TritonBackend(bundle, small_server)
    remote.close()
    remote.close()

    with pytest.raises(BackendError, match="the model is closed; open the bundle again"):
        remote.adapt(np.zeros((2, 4), np.float32), np.eye(2, dtype=np.float32), 1.0)


def test_the_version_of_this_bundle_is_found_among_others(
    bundle: Bundle, bundle_copy: Path, tmp_path: Path, triton_backend: Any
) -> None:
    other = json.loads((bundle_copy / "manifest.json").read_text()) | {"licence": "another"}
    (bundle_copy / "manifest.json").write_text(json.dumps(other))
    repository = write_repository(bundle, tmp_path / "models", version=3).repository
    write_repository(read_bundle(bundle_copy), repository, version=7)

    with running(SERVERS / "kserve_server.py", repository) as address:
        for served, version in ((bundle, 3), (read_bundle(bundle_copy), 7)):
            remote = triton_backend.TritonBackend(served, address)
            assert remote.name == f"triton ({address}, tiny_backbone version {version})"
            remote.close()


def test_another_bundle_than_the_server_s_is_refused(small_server: str, bundle_copy: Path, photos: Path) -> None:
    manifest = json.loads((bundle_copy / "manifest.json").read_text()) | {"licence": "another"}
    (bundle_copy / "manifest.json").write_text(json.dumps(manifest))

    done = classify(small_server, bundle_copy, photos / "known", photos / "new")

    assert done.returncode == 1
    assert "serves tiny_backbone and tiny_adapt, but from another bundle than" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["http://127.0.0.1:1", "known", "new"], "no answer from http://127.0.0.1:1 ("),
        (["ftp://127.0.0.1:1", "known", "new"], "is no address of a server; give it as http://HOST:8000"),
        (["http://127.0.0.1:port", "known", "new"], "is no address of a server; give it as http://HOST:8000"),
        (["{url}", "known", "new", "--name", "desk"], "refuses configuration of desk_backbone: "),
        (["{url}", "new", "known"], "holds no class folders; lay the photos out as CLASS/IMAGE"),
        (["{url}", "known", "empty"], "holds no photos (.bmp"),
    ],
)
def test_bad_input_ends_in_one_clear_line(
    given: list[str], message: str, small_server: str, tiny_bundle: Path, photos: Path
) -> None:
    (photos / "empty").mkdir(exist_ok=True)
    address, support, query, *options = given

    done = classify(address.format(url=small_server), tiny_bundle, photos / support, photos / query, *options)

    assert done.returncode == 1
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


class Page(BaseHTTPRequestHandler):
    """What stands at many an address that was mistaken for Triton's."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>It works!</html>")


def test_a_server_that_is_not_triton_is_recognised(bundle: Bundle, triton_backend: Any) -> None:
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with pytest.raises(BackendError, match="is not a Triton server's"):
                triton_backend.TritonBackend(bundle, f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


def test_a_table_is_shown_and_a_missing_library_is_named(
    small_server: str, tiny_bundle: Path, photos: Path, tmp_path: Path
) -> None:
    shown = classify(small_server, tiny_bundle, photos / "known", photos / "new")
    without = f"import sys; sys.modules['tritonclient'] = None; sys.path.insert(0, {str(SAMPLE)!r}); "
    arguments = [small_server, tiny_bundle, photos / "known", photos / "new"]
    missing = subprocess.run(
        [sys.executable, "-c", without + "from classify import main; main()", *arguments],
        capture_output=True,
        text=True,
    )

    assert shown.returncode == 0, shown.stderr
    assert "01-green.png" in shown.stdout
    assert "Adapted in " in shown.stdout
    assert missing.returncode == 1
    assert missing.stderr == "Error: tritonclient is missing; pip install -r samples/triton_client/requirements.txt\n"
