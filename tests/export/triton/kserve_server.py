"""A small server of a model repository: KServe's protocol, Triton's rules for requests, onnxruntime below.

    python kserve_server.py MODEL_REPOSITORY

Configurations are read with Triton's own protobuf schema. Prints its port, and ends with its standard input.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

Model = tuple[Any, dict[str, onnxruntime.InferenceSession]]


class RefusedError(Exception):
    """A request or a model that Triton would refuse."""


def load(folder: Path) -> Model:
    config = text_format.Parse((folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
    if config.name != folder.name or config.max_batch_size != 0 or config.platform != "onnxruntime_onnx":
        raise RefusedError(f"{folder}: this server is for models without a batch dimension")
    for tensor in (*config.input, *config.output):
        if not tensor.dims or 0 in tensor.dims or (tensor.HasField("reshape") and not tensor.reshape.shape):
            raise RefusedError(f"{folder}: dims of {tensor.name}")
    versions = {
        child.name: onnxruntime.InferenceSession(child / config.default_model_filename)
        for child in folder.iterdir()
        if child.is_dir()
    }
    for session in versions.values():
        check_graph(folder, config.input, session.get_inputs())
        check_graph(folder, config.output, session.get_outputs())
    return config, versions


def check_graph(folder: Path, tensors: Any, nodes: list[onnxruntime.NodeArg]) -> None:
    """Compare a configuration with a graph, as Triton's onnxruntime backend does; a scalar has only ones there."""
    shapes = {node.name: [size if isinstance(size, int) else -1 for size in node.shape] for node in nodes}
    for tensor in tensors:
        dims, shape = list(tensor.dims), shapes.pop(tensor.name)
        if dims != shape and (shape or set(dims) != {1}):
            raise RefusedError(f"{folder}: {tensor.name} is {shape} in the graph, {dims} in the configuration")
    if shapes:
        raise RefusedError(f"{folder}: the configuration lacks {sorted(shapes)}")


def take(request: dict[str, Any], body: bytes, config: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Check a request's tensors against the configuration, as Triton's core does, and read them."""
    expected, at, arrays = {tensor.name: tensor for tensor in config.input}, 0, {}
    for given in request["inputs"]:
        tensor, shape = expected.pop(given["name"], None), given["shape"]
        if tensor is None:
            raise RefusedError(f"unexpected inference input '{given['name']}' for model '{config.name}'")
        if model_config_pb2.DataType.Name(tensor.data_type) != f"TYPE_{given['datatype']}":
            raise RefusedError(f"inference input '{tensor.name}' data-type is '{given['datatype']}'")
        if len(shape) != len(tensor.dims) or any(
            want not in (-1, have) for want, have in zip(tensor.dims, shape, strict=True)
        ):
            raise RefusedError(f"unexpected shape for input '{tensor.name}' for model '{config.name}'")
        size = given["parameters"]["binary_data_size"]
        arrays[tensor.name] = np.frombuffer(body[at : at + size], "<f4").reshape(shape)
        at += size
    if expected:
        raise RefusedError(f"expected inputs {sorted(expected)} are missing for model '{config.name}'")
    return arrays


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    models: dict[str, Model]

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, head: object, tail: bytes = b"") -> None:
        encoded = json.dumps(head).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(encoded) + len(tail)))
        self.send_header("Inference-Header-Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded + tail)

    def do_GET(self) -> None:
        match self.path.strip("/").split("/"):
            case ["v2", "models", name, "config"] if name in self.models:
                config = json_format.MessageToDict(self.models[name][0], preserving_proto_field_name=True)
                self.answer(200, config)
            case ["v2", "models", name, "versions", version, "ready"]:
                self.answer(200 if version in self.models.get(name, (None, {}))[1] else 400, {})
            case _:
                self.answer(404, {"error": f"Request for unknown model: '{self.path}' is not found"})

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        split = int(self.headers["Inference-Header-Content-Length"])
        request = json.loads(data[:split])
        _, _, name, _, version, _ = self.path.strip("/").split("/")
        config, versions = self.models[name]
        try:
            arrays = take(request, data[split:], config)
            session = versions[version]
            # What Triton's onnxruntime backend does with an input of dims [1] whose graph takes a scalar.
            feeds = {
                node.name: arrays[node.name] if node.shape else arrays[node.name].reshape(())
                for node in session.get_inputs()
            }
            wanted = [output["name"] for output in request["outputs"]]
            results = session.run(wanted, feeds)
        except Exception as error:
            self.answer(400, {"error": str(error)})
            return
        outputs = [
            {"name": name, "datatype": "FP32", "shape": value.shape, "parameters": {"binary_data_size": value.nbytes}}
            for name, value in zip(wanted, results, strict=True)
        ]
        head = {"model_name": name, "model_version": version, "outputs": outputs}
        self.answer(200, head, b"".join(value.tobytes() for value in results))


def main() -> None:
    Handler.models = {folder.name: load(folder) for folder in Path(sys.argv[1]).iterdir()}
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_port, flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main()
