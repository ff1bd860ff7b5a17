"""Triton itself on a model repository, on the processor, where a `tritonserver` is installed.

    python tritonserver.py TRITONSERVER MODEL_REPOSITORY

Prints its port when every model is ready, and ends with its standard input; ends at once, with the server's log, when a
model is refused. A server without the onnxruntime backend, such as the one in the wheel of nvidia-pytriton, gets one
that is written in Python: then the repository, the requests and the answers are still Triton's to judge, but not what
the real backend checks.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from shutil import copy

PYTHON_BACKEND = """
import sys

sys.path[:0] = {search_path!r}

import os
import numpy as np
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, args):
        folder = os.path.join(args["model_repository"], args["model_version"])
        self.session = onnxruntime.InferenceSession(os.path.join(folder, "model.onnx"))

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        feeds = dict()
        for node in self.session.get_inputs():
            # By DLPack, since the servers before 25.x read numpy arrays by numpy 1's layout.
            value = np.from_dlpack(triton.get_input_tensor_by_name(request, node.name))
            feeds[node.name] = value if node.shape else value.reshape(())
        results = zip(self.session.get_outputs(), self.session.run(None, feeds))
        return triton.InferenceResponse([
            triton.Tensor.from_dlpack(node.name, np.ascontiguousarray(value)) for node, value in results
        ])
"""


def onnxruntime_in_python(backends: Path, into: Path) -> None:
    """Lay out a Python-based backend: its model.py, and copies of the Python backend's library and interpreter."""
    (into / "onnxruntime").mkdir()
    search_path = [entry for entry in sys.path[1:] if entry]
    (into / "onnxruntime/model.py").write_text(PYTHON_BACKEND.format(search_path=search_path))
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = "triton_python_backend_stub"
    stubs = [backends.parent / "python_backend_stubs" / python / stub, backends / "python" / stub]
    copy(next(path for path in stubs if path.exists()), into / "onnxruntime" / stub)
    for name in ("libtriton_python.so", "triton_python_backend_utils.py"):
        copy(backends / "python" / name, into / "onnxruntime" / name)


def command(server: Path, repository: Path, port: int, folder: Path) -> list[str]:
    backends = server.parent.parent / "backends"
    if not (backends / "onnxruntime").is_dir():
        onnxruntime_in_python(backends, folder)
        backends = folder
    options = ["--http-address", "127.0.0.1", "--http-port", str(port), "--allow-grpc", "false"]
    options += ["--allow-metrics", "false", "--disable-auto-complete-config"]
    return [str(server), "--model-repository", str(repository), "--backend-directory", str(backends), *options]


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def main() -> None:
    server, repository = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Where the wheel of nvidia-pytriton keeps the libraries of its server.
    libraries = server.parents[3] / "nvidia_pytriton.libs"
    environment = os.environ | ({"LD_LIBRARY_PATH": str(libraries)} if libraries.is_dir() else {})
    with tempfile.TemporaryDirectory() as name, open(Path(name) / "log", "w+") as log:
        arguments = command(server, repository, port, Path(name))
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        try:
            while process.poll() is None and not is_ready(port):
                time.sleep(0.1)
            if process.poll() is None:
                print(port, flush=True)
                sys.stdin.read()
            else:
                log.seek(0)
                sys.exit(log.read())
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
