"""Triton's configuration of a bundle's two models, from the bundle's manifest.

Fields and rules are those of `ModelConfig` in Triton's model_config.proto
(https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hyperflow_export.triton.naming import adapt_model, backbone_model
from hyperflow_export.triton.serving import Serving
from hyperflow_runtime.bundle.manifest import Manifest
from hyperflow_runtime.bundle.signature import Shape, Signature, adapt_signature, backbone_signature

__all__ = ["MODEL_FILE", "ModelConfig", "adapt_config", "backbone_config", "bundle_parameter"]

MODEL_FILE = "model.onnx"
"""Name of the graph in each version's folder."""

_KINDS = {"auto": "KIND_AUTO", "cpu": "KIND_CPU", "gpu": "KIND_GPU"}


@dataclass(frozen=True)
class ModelConfig:
    """One model. There is no batch dimension outside the shapes: theta and the labels have none that Triton could use.

    Attributes:
        name: Also the name of the model's folder.
        inputs: Dimensions of each input, -1 for any size; float32.
        outputs: Dimensions of each output.
        instance_kind: `KIND_AUTO`, `KIND_CPU` or `KIND_GPU`.
        n_instances: Copies on each device.
        tensorrt: Parameters of the TensorRT accelerator; None for none.
        warm_up: Dimensions of each input of a request that the server makes itself before it is ready; None for none.
        parameters: For clients; the server hands them out and does nothing with them.
    """

    name: str
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    instance_kind: str
    n_instances: int
    tensorrt: Mapping[str, str] | None = None
    warm_up: Mapping[str, tuple[int, ...]] | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


def bundle_parameter(version: int) -> str:
    """Name of the parameter that holds the sha256 of the bundle which a version serves."""
    return f"hyperflow_bundle_{version}"


def backbone_config(name: str, manifest: Manifest, serving: Serving, bundles: Mapping[int, str]) -> ModelConfig:
    """Configure images (B, 3, H, W), theta (P,) -> features (B, D).

    Args:
        name: Of the bundle in the repository.
        manifest: Of the newest version.
        serving: The server's options.
        bundles: The bundle's sha256 for each version.
    """
    config = _config(backbone_model(name), backbone_signature(manifest), serving, bundles)
    if serving.accelerator is None:
        return config
    # Compiling takes longer than a client waits, so it happens before the server says that it is ready.
    one_image = {tensor: (1, *dims[1:]) if dims[0] == -1 else dims for tensor, dims in config.inputs.items()}
    return replace(config, tensorrt=_tensorrt_parameters(manifest, serving), warm_up=one_image)


def adapt_config(name: str, manifest: Manifest, serving: Serving, bundles: Mapping[int, str]) -> ModelConfig:
    """Configure features (S, D), labels_onehot (S, N), step_size (1,) -> theta (P,), step_norms (K,).

    Args:
        name: Of the bundle in the repository.
        manifest: Of the newest version.
        serving: The server's options; an accelerator is for the backbone alone.
        bundles: The bundle's sha256 for each version.
    """
    return _config(adapt_model(name), adapt_signature(manifest), serving, bundles)


def _config(name: str, signature: Signature, serving: Serving, bundles: Mapping[int, str]) -> ModelConfig:
    return ModelConfig(
        name=name,
        inputs={tensor: _dims(shape) for tensor, shape in signature.inputs.items()},
        outputs={tensor: _dims(shape) for tensor, shape in signature.outputs.items()},
        instance_kind=_KINDS[serving.kind],
        n_instances=serving.n_instances,
        parameters={bundle_parameter(version): sha256 for version, sha256 in sorted(bundles.items())},
    )


def _dims(shape: Shape) -> tuple[int, ...]:
    # Triton knows no scalars: it refuses empty dims, and an empty reshape of a model without a batch dimension.
    # Its onnxruntime backend hands an input of dims [1] to a graph that takes a scalar as one.
    return tuple(-1 if size is None else size for size in shape) or (1,)


def _tensorrt_parameters(manifest: Manifest, serving: Serving) -> dict[str, str]:
    """Compile once for every batch that the bundle allows: without ranges, each larger batch would compile anew."""
    side = manifest.preprocessing.size_px
    shapes = {"min": 1, "opt": 1, "max": manifest.limits.max_batch}
    parameters = {"precision_mode": "FP32"}
    parameters |= {f"trt_profile_{end}_shapes": f"images:{batch}x3x{side}x{side}" for end, batch in shapes.items()}
    if serving.engine_cache is not None:
        parameters |= {"trt_engine_cache_enable": "1", "trt_engine_cache_path": serving.engine_cache}
    return parameters
