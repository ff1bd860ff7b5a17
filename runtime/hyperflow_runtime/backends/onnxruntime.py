"""Both graphs in onnxruntime, on the processor. The only module that imports onnxruntime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hyperflow_runtime.backends.onnx_constant import with_constant_input
from hyperflow_runtime.backends.protocol import Array, DriftResult, Encoder
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.bundle.signature import Signature, adapt_signature, backbone_signature
from hyperflow_runtime.errors import BackendError, BundleError

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["InstalledOnnxRuntime", "OnnxRuntimeBackend", "try_onnxruntime"]

# A graph of one Identity node, which copies x (1,) to y (1,): IR version 8, opset 13.
_SMALLEST_GRAPH = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01'
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)


class InstalledOnnxRuntime(NamedTuple):
    """An onnxruntime that has run a graph.

    Attributes:
        version: Its own word.
        location: File that it was loaded from.
        providers: What it could run graphs on.
    """

    version: str
    location: str
    providers: tuple[str, ...]


def try_onnxruntime() -> InstalledOnnxRuntime:
    """Import onnxruntime and run the smallest graph.

    Raises:
        BackendError: Not installed, or it does not run.
    """
    session = _open(_SMALLEST_GRAPH, "a graph of one node", n_threads=1)
    _run(session, {"x": np.zeros(1, np.float32)})
    import onnxruntime

    return InstalledOnnxRuntime(
        str(onnxruntime.__version__), str(onnxruntime.__file__), tuple(onnxruntime.get_available_providers())
    )


def _open(model: bytes, what: str, n_threads: int | None) -> onnxruntime.InferenceSession:
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendError(f"onnxruntime is not installed ({error}); pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if n_threads is not None:
        options.intra_op_num_threads = n_threads
    # Threads that spin between calls would take a small board's processor from the camera.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen unrelated types for a bad graph
        raise BackendError(f"onnxruntime {onnxruntime.__version__} refuses {what} ({error})") from error


def _check_signature(session: onnxruntime.InferenceSession, what: str, signature: Signature) -> None:
    """Compare names, types and fixed dimensions of a graph with what the manifest says."""
    sides = (("input", session.get_inputs(), signature.inputs), ("output", session.get_outputs(), signature.outputs))
    for kind, found, expected in sides:
        if {node.name for node in found} != set(expected):
            raise BundleError(f"{what} has {kind}s {[node.name for node in found]}, expected {list(expected)}")
        for node in found:
            shape = expected[node.name]
            agrees = len(node.shape) == len(shape) and all(
                want is None or want == have for want, have in zip(shape, node.shape, strict=True)
            )
            if node.type != "tensor(float)" or not agrees:
                raise BundleError(f"{what}: {kind} {node.name} is {node.type} {node.shape}, the manifest says {shape}")


class _BakedEncoder:
    """A copy of the backbone with one theta inside; it ends with the backend it came from."""

    def __init__(self, owner: OnnxRuntimeBackend, session: onnxruntime.InferenceSession, max_batch: int) -> None:
        self._owner, self._session, self._max_batch = owner, session, max_batch

    def encode(self, images: Array) -> Array:
        self._owner._opened()
        return _in_batches(self._session, images, {}, self._max_batch)


def _in_batches(session: onnxruntime.InferenceSession, images: Array, fixed: dict[str, Array], max_batch: int) -> Array:
    starts = range(0, max(len(images), 1), max_batch)
    parts = [_run(session, {"images": images[start : start + max_batch], **fixed})[0] for start in starts]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _run(session: onnxruntime.InferenceSession, feeds: dict[str, Any]) -> list[Any]:
    try:
        return list(session.run(None, feeds))
    except Exception as error:  # onnxruntime raises a dozen unrelated types
        shapes = {name: np.shape(value) for name, value in feeds.items()}
        raise BackendError(f"onnxruntime failed on inputs {shapes} ({error})") from error


class OnnxRuntimeBackend:
    """Runs a bundle in onnxruntime; see `Backend`. Sessions of onnxruntime may be shared by threads."""

    def __init__(self, bundle: Bundle, *, n_threads: int | None = None) -> None:
        """Open both graphs and compare them with the manifest.

        Args:
            bundle: Checked by `read_bundle`.
            n_threads: Threads a run may use, all cores by default.

        Raises:
            BackendError: onnxruntime is absent or refuses a graph.
            BundleError: A graph does not have the shapes that the manifest states.
        """
        manifest = bundle.manifest
        self._backbone_onnx, self._manifest, self._n_threads = bundle.backbone_onnx, manifest, n_threads
        backbone = _open(bundle.backbone_onnx, "backbone.onnx", n_threads)
        _check_signature(backbone, "backbone.onnx", backbone_signature(manifest))
        adapt = _open(bundle.adapt_onnx, "adapt.onnx", n_threads)
        _check_signature(adapt, "adapt.onnx", adapt_signature(manifest))
        self._sessions: tuple[onnxruntime.InferenceSession, onnxruntime.InferenceSession] | None = (backbone, adapt)

    @property
    def name(self) -> str:
        """Name of the backend and of the device it runs on."""
        return "onnxruntime (CPU)"

    def _opened(self) -> tuple[onnxruntime.InferenceSession, onnxruntime.InferenceSession]:
        if self._sessions is None:
            raise BackendError("the model is closed; open the bundle again")
        return self._sessions

    def encode(self, images: Array, theta: Array) -> Array:
        """Features (B, D) of preprocessed images (B, 3, H, W) under theta (P,)."""
        return _in_batches(self._opened()[0], images, {"theta": theta}, self._manifest.limits.max_batch)

    def adapt(self, features: Array, labels_onehot: Array, step_size: float) -> DriftResult:
        """Run the Euler steps for support features (S, D) with labels (S, N)."""
        feeds = {"features": features, "labels_onehot": labels_onehot, "step_size": np.array(step_size, np.float32)}
        theta, step_norms = _run(self._opened()[1], feeds)
        return DriftResult(theta, step_norms)

    def baked(self, theta: Array) -> Encoder:
        """Open a copy of the backbone in which theta (P,) is a constant, folded into the convolutions."""
        self._opened()
        try:
            model = with_constant_input(self._backbone_onnx, "theta", theta)
        except ValueError as error:
            raise BackendError(f"theta cannot be baked into backbone.onnx ({error})") from error
        session = _open(model, "the baked backbone", self._n_threads)
        _check_signature(session, "the baked backbone", backbone_signature(self._manifest, baked=True))
        return _BakedEncoder(self, session, self._manifest.limits.max_batch)

    def close(self) -> None:
        """Free the graphs; a second call does nothing."""
        self._sessions = None
