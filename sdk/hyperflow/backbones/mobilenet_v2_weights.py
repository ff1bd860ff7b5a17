"""Public MobileNetV2 weights as named arrays: the Keras ones and the ONNX Model Zoo's (`mobilenetv2-7`).

Both hold the original layer names; Keras holds kernels as HWIO.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hyperflow.backbones.mobilenet_v2 import MobileNetV2, MobileNetV2Config
from hyperflow.backbones.weight_arrays import Arrays, read_weight_arrays
from hyperflow.errors import CheckpointError
from hyperflow.images.preprocessing import Preprocessing

__all__ = ["PretrainedMobileNetV2", "load_mobilenet_v2", "mobilenet_v2_arrays", "mobilenet_v2_of"]

_KERAS = MobileNetV2Config(padding="tensorflow", expand_first=False, norm_eps=1e-3)
_ONNX_ZOO = MobileNetV2Config(padding="symmetric", expand_first=True, norm_eps=1e-5)
_N_BLOCKS = 17


@dataclass(frozen=True)
class PretrainedMobileNetV2:
    """A network with public weights and the preprocessing these were trained with.

    Attributes:
        network: In eval mode.
        config: The variant.
        preprocessing: At the size that was asked for.
    """

    network: MobileNetV2
    config: MobileNetV2Config
    preprocessing: Preprocessing


def _keras_names() -> Iterator[tuple[str, str]]:
    """Kernel and normalisation prefix of each convolution, from the input on."""
    yield "Conv1/kernel", "bn_Conv1/"
    for block in range(_N_BLOCKS):
        prefix = f"block_{block}" if block else "expanded_conv"
        for part in ("expand", "depthwise", "project") if block else ("depthwise", "project"):
            kernel = "depthwise_kernel" if part == "depthwise" else "kernel"
            yield f"{prefix}_{part}/{kernel}", f"{prefix}_{part}_BN/"
    yield "Conv_1/kernel", "Conv_1_bn/"


def _onnx_zoo_names() -> Iterator[tuple[str, str]]:
    stem = "mobilenetv20_features_"
    yield f"{stem}conv0_weight", f"{stem}batchnorm0_"
    for block in range(_N_BLOCKS):
        for part in range(3):
            prefix = f"{stem}linearbottleneck{block}_"
            yield f"{prefix}conv{part}_weight", f"{prefix}batchnorm{part}_"
    yield f"{stem}conv1_weight", f"{stem}batchnorm1_"


def _is_keras(arrays: Arrays) -> bool:
    return "Conv1/kernel" in arrays


def _leaves(*, is_keras: bool) -> tuple[str, str, str, str]:
    return "gamma", "beta", *(("moving_mean", "moving_variance") if is_keras else ("running_mean", "running_var"))


def mobilenet_v2_arrays(arrays: Arrays, *, origin: str = "the weights") -> dict[str, NDArray[np.float32]]:
    """Pick the arrays that the network is made of; a classifier and anything else is left out.

    Args:
        arrays: Under the original layer names of either public training.
        origin: What they were read from, for messages.

    Raises:
        CheckpointError: An array is missing, or holds no floats.
    """
    is_keras = _is_keras(arrays)
    picked: dict[str, NDArray[np.float32]] = {}
    for kernel_name, norm_name in _keras_names() if is_keras else _onnx_zoo_names():
        for name in (kernel_name, *(norm_name + leaf for leaf in _leaves(is_keras=is_keras))):
            if name not in arrays:
                raise CheckpointError(f"{origin} lacks {name!r}; expected the Keras or the ONNX Model Zoo layer names")
            if not np.issubdtype(arrays[name].dtype, np.floating):
                raise CheckpointError(f"{origin}: {name} holds {arrays[name].dtype}, expected floats")
            picked[name] = arrays[name]
    return picked


def _as_oihw(kernel: NDArray[np.float32], *, depthwise: bool) -> NDArray[np.float32]:
    return kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(3, 2, 0, 1)


def _fill(network: MobileNetV2, arrays: Arrays, *, is_keras: bool) -> None:
    convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    names = _keras_names() if is_keras else _onnx_zoo_names()
    for conv, norm, (kernel_name, norm_name) in zip(convs, norms, names, strict=True):
        kernel = arrays[kernel_name]
        if is_keras and kernel.ndim == conv.weight.ndim:
            kernel = _as_oihw(kernel, depthwise=conv.groups > 1)
        values = (kernel, *(arrays[norm_name + leaf] for leaf in _leaves(is_keras=is_keras)))
        targets = (conv.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var)
        for target, value in zip(targets, values, strict=True):
            if target is None or target.shape != value.shape:
                raise CheckpointError(
                    f"{kernel_name}: shape {value.shape}, expected {None if target is None else tuple(target.shape)}"
                )
            target.data.copy_(torch.from_numpy(np.array(value, dtype=np.float32)))


def mobilenet_v2_of(arrays: Arrays, *, size_px: int = 224, origin: str = "the weights") -> PretrainedMobileNetV2:
    """Build the network of either public training; which one it is shows in the names.

    Args:
        arrays: Under the original layer names; more than the network needs does no harm.
        size_px: Side of the input images, a multiple of 32.
        origin: What the arrays were read from, for messages.

    Raises:
        CheckpointError: Arrays missing, of another shape, or not of floats.
    """
    is_keras = _is_keras(arrays)
    config = _KERAS if is_keras else _ONNX_ZOO
    network = MobileNetV2(config)
    _fill(network, mobilenet_v2_arrays(arrays, origin=origin), is_keras=is_keras)
    half = (0.5, 0.5, 0.5)
    preprocessing = Preprocessing(size_px, mean=half, std=half) if is_keras else Preprocessing(size_px)
    return PretrainedMobileNetV2(network.eval(), config, preprocessing)


def load_mobilenet_v2(path: Path, *, size_px: int = 224) -> PretrainedMobileNetV2:
    """Load either public training from a file.

    Args:
        path: As `read_weight_arrays` takes it, with float arrays under the original layer names.
        size_px: Side of the input images, a multiple of 32.

    Raises:
        CheckpointError: Not readable, or arrays missing or of another shape.
    """
    return mobilenet_v2_of(read_weight_arrays(path), size_px=size_px, origin=str(path))
