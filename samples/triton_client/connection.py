"""Requests to a Triton server over HTTP, with arrays as bytes (KServe's protocol and its binary tensor extension)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from hyperflow_runtime import BackendError

Array = NDArray[np.float32]
_Answer = TypeVar("_Answer")


def _host(url: str) -> tuple[str, bool]:
    """Split `http://host:8000`, or the same without a scheme, into `host:8000` and whether it is encrypted."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise BackendError(f"{url!r:.200} is no address of a server; give it as http://HOST:8000")
    return parts.netloc + parts.path.rstrip("/"), parts.scheme == "https"


class Connection:
    """A server, for any number of threads: Triton's client may be used by one, so each thread gets its own."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        """Nothing is sent yet.

        Args:
            url: `http://HOST:8000`; https for an encrypted connection.
            timeout_s: Longest wait for the server, to connect and to answer.

        Raises:
            BackendError: The address cannot be one.
        """
        self.url, self._timeout_s = url, timeout_s
        self._host, self._is_encrypted = _host(url)
        self._of_thread = threading.local()
        self._is_closed = False

    def infer(self, model: str, version: str, inputs: Mapping[str, Array], outputs: Mapping[str, int]) -> list[Array]:
        """Run a model once.

        Args:
            model: Its name.
            version: Its version.
            inputs: float32 arrays by name.
            outputs: Number of dimensions of each output, by name.

        Returns:
            The outputs, in the order asked for.

        Raises:
            BackendError: Closed, no answer, or an answer that says why not.
        """
        tensors = []
        for name, array in inputs.items():
            tensor = InferInput(name, list(array.shape), "FP32")
            tensor.set_data_from_numpy(np.ascontiguousarray(array, np.float32))
            tensors.append(tensor)
        wanted = [InferRequestedOutput(name) for name in outputs]

        def run(client: InferenceServerClient) -> list[Array | None]:
            result = client.infer(model, tensors, version, wanted)
            return [result.as_numpy(name) for name in outputs]

        shapes = {name: array.shape for name, array in inputs.items()}
        what = f"{model} version {version} on inputs {shapes}"
        arrays: list[Array] = []
        for (name, n_dims), output in zip(outputs.items(), self._ask(what, run), strict=True):
            if output is None or output.dtype != np.float32 or output.ndim != n_dims:
                raise BackendError(f"{self.url} gave no float32 {name} of {n_dims} dimensions for {what}")
            arrays.append(output)
        return arrays

    def config(self, model: str) -> dict[str, Any]:
        """Read a model's configuration, as JSON.

        Raises:
            BackendError: Closed, no answer, or no such model.
        """
        config = self._ask(f"configuration of {model}", lambda client: client.get_model_config(model))
        return config if isinstance(config, dict) else {}

    def is_ready(self, model: str, version: str) -> bool:
        """Tell whether a version is loaded and takes requests.

        Raises:
            BackendError: Closed, or no answer.
        """
        what = f"readiness of {model} version {version}"
        return bool(self._ask(what, lambda client: client.is_model_ready(model, version)))

    def close(self) -> None:
        """Refuse requests from now on; a second call does nothing. The clients of other threads end with them."""
        self._is_closed = True
        # Only the thread that opened a client may close it.
        client: InferenceServerClient | None = self._of_thread.__dict__.pop("client", None)
        if client is not None:
            client.close()

    def _ask(self, what: str, request: Callable[[InferenceServerClient], _Answer]) -> _Answer:
        if self._is_closed:
            raise BackendError("the model is closed; open the bundle again")
        try:
            return request(self._client())
        except InferenceServerException as error:
            raise BackendError(f"{self.url} refuses {what}: {error.message()}") from error
        except (OSError, HTTPException) as error:
            raise BackendError(
                f"no answer from {self.url} ({error}); start tritonserver --model-repository, or check the address"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise BackendError(f"the answer of {self.url} is not a Triton server's ({error}): {what}") from error

    def _client(self) -> InferenceServerClient:
        if not hasattr(self._of_thread, "client"):
            self._of_thread.client = InferenceServerClient(
                self._host, ssl=self._is_encrypted, connection_timeout=self._timeout_s, network_timeout=self._timeout_s
            )
        client: InferenceServerClient = self._of_thread.client
        return client
