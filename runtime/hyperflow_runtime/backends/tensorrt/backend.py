"""A bundle on an NVIDIA GPU: engines from the cache, run by TensorRT."""

from __future__ import annotations

import weakref

import numpy as np

from hyperflow_runtime.backends.protocol import Array, DriftResult, Encoder
from hyperflow_runtime.backends.tensorrt.buffers import DeviceArray
from hyperflow_runtime.backends.tensorrt.cuda import CudaDevice
from hyperflow_runtime.backends.tensorrt.engine import LoadedEngine
from hyperflow_runtime.backends.tensorrt.library import TensorRTLibrary, load_library
from hyperflow_runtime.backends.tensorrt.resources import Resources
from hyperflow_runtime.bundle.manifest import Manifest
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.bundle.signature import adapt_signature, backbone_signature
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.choosing import choose_engine
from hyperflow_runtime.engines.key import GraphName
from hyperflow_runtime.engines.plan_header import LibraryName
from hyperflow_runtime.errors import BackendError

__all__ = ["TensorRTBackend"]


class _ResidentEncoder:
    """The backbone bound to one theta that stays on the GPU; it ends with the backend it came from."""

    def __init__(self, resources: Resources, memory: DeviceArray, manifest: Manifest) -> None:
        self._resources, self._memory, self._manifest = resources, memory, manifest
        weakref.finalize(self, resources.drop_theta, memory)

    def encode(self, images: Array) -> Array:
        return _encoded(self._resources, images, {}, {"theta": self._memory}, self._manifest)


def _encoded(
    resources: Resources, images: Array, fixed: dict[str, Array], resident: dict[str, DeviceArray], manifest: Manifest
) -> Array:
    """Encode in batches. TensorRT cannot run on nothing, and nothing has no features."""
    parts = [np.zeros((0, manifest.feature_dim), np.float32)]
    with resources.call():
        for start in range(0, len(images), manifest.limits.max_batch):
            inputs = {"images": images[start : start + manifest.limits.max_batch], **fixed}
            profile = resources.backbone.profile_for({name: array.shape for name, array in inputs.items()})
            with resources.backbone_runners.borrow(profile) as runner:
                parts.append(runner.run(inputs, resident)["features"])
    return np.concatenate(parts)


def _loaded(
    bundle: Bundle,
    graph: GraphName,
    cache: EngineCache,
    library: TensorRTLibrary,
    device: CudaDevice,
    tested_only: bool,
) -> LoadedEngine:
    record = choose_engine(
        bundle, graph, cache, library=library.name, version=library.version, device=device.identity,
        tested_only=tested_only,
    )  # fmt: skip
    signature = backbone_signature(bundle.manifest) if graph == "backbone" else adapt_signature(bundle.manifest)
    return LoadedEngine(library, cache.read_plan(record), signature, f"{graph}.onnx")


class TensorRTBackend:
    """Runs a bundle's engines; see `Backend`. Any thread may call: each call has a context of its own meanwhile."""

    def __init__(self, bundle: Bundle, library: TensorRTLibrary, resources: Resources) -> None:
        """Use `TensorRTBackend.open` instead."""
        self._manifest, self._library, self._resources = bundle.manifest, library, resources
        # Also at the end of the process: a context that outlives the driver's own clean-up aborts it.
        self._finalizer = weakref.finalize(self, resources.close)

    @classmethod
    def open(
        cls, bundle: Bundle, *, cache: EngineCache | None = None, device_index: int = 0, tested_only: bool = True,
        library: LibraryName = "tensorrt",
    ) -> TensorRTBackend:  # fmt: skip
        """Load both engines from the cache.

        Args:
            bundle: Checked by `read_bundle`.
            cache: Where the engines lie; None for the default folder.
            device_index: GPU, in CUDA's numbering.
            tested_only: Take only engines whose results were compared on this device.
            library: Which TensorRT.

        Raises:
            EngineError: No engine for this device and version, one that was not compared here or failed, or one that
                TensorRT refuses.
            BackendError: No TensorRT, no pycuda, no GPU, or too little memory.
        """
        cache = cache or EngineCache()
        opened, device = load_library(library), CudaDevice(device_index)
        with device.current():
            backbone = _loaded(bundle, "backbone", cache, opened, device, tested_only=tested_only)
            adapt = _loaded(bundle, "adapt", cache, opened, device, tested_only=tested_only)
        return cls(bundle, opened, Resources(device, backbone, adapt))

    @property
    def name(self) -> str:
        """Name of the backend and of the device it runs on."""
        return f"{self._library} ({self._resources.device.identity.name})"

    def encode(self, images: Array, theta: Array) -> Array:
        """Features (B, D) of preprocessed images (B, 3, H, W) under theta (P,)."""
        return _encoded(self._resources, images, {"theta": theta}, {}, self._manifest)

    def adapt(self, features: Array, labels_onehot: Array, step_size: float) -> DriftResult:
        """Run the Euler steps for support features (S, D) with labels (S, N)."""
        if len(features) != len(labels_onehot):  # TensorRT holds inputs to their own ranges, not to each other
            raise BackendError(
                f"adapt.onnx: {len(features)} features, but labels of {len(labels_onehot)}; one row each"
            )
        shapes = {"features": features.shape, "labels_onehot": labels_onehot.shape}
        inputs = {"features": features, "labels_onehot": labels_onehot, "step_size": np.array(step_size, np.float32)}
        with self._resources.call():
            profile = self._resources.adapt.profile_for(shapes)
            with self._resources.adapt_runners.borrow(profile) as runner:
                results = runner.run(inputs, {})
        return DriftResult(results["theta"], results["step_norms"])

    def baked(self, theta: Array) -> Encoder:
        """Bind theta (P,) to the engine: it is copied to the GPU once, and predictions only name its address."""
        theta = np.ascontiguousarray(theta, np.float32)
        self._resources.backbone.profile_for({"theta": theta.shape})  # the engine reads it all, whatever is there
        memory = self._resources.hold_theta(theta)
        return _ResidentEncoder(self._resources, memory, self._manifest)

    def close(self) -> None:
        """Free everything; a second call does nothing."""
        self._finalizer()
