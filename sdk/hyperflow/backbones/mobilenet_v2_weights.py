"""Public MobileNetV2 weights from `.npz` files: the Keras one and the ONNX Model Zoo's (`mobilenetv2-7`).

Both files hold the original layer names; the Keras file holds kernels as HWIO.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hyperflow.backbones.mobilenet_v2 import MobileNetV2, MobileNetV2Config
from hyperflow.errors import CheckpointError
from hyperflow.images.preprocessing import Preprocessing

__all__ = ["PretrainedMobileNetV2", "load_mobilenet_v2"]

Arrays = Mapping[str, NDArray[np.float32]]
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


def _as_oihw(kernel: NDArray[np.float32], *, depthwise: bool) -> NDArray[np.float32]:
    return kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(3, 2, 0, 1)


def _fill(network: MobileNetV2, arrays: Arrays, *, is_keras: bool) -> None:
    convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    mean, variance = ("moving_mean", "moving_variance") if is_keras else ("running_mean", "running_var")
    names = _keras_names() if is_keras else _onnx_zoo_names()
    for conv, norm, (kernel_name, norm_name) in zip(convs, norms, names, strict=True):
        kernel = arrays[kernel_name]
        if is_keras:
            kernel = _as_oihw(kernel, depthwise=conv.groups > 1)
        parts = (
            (conv.weight, kernel),
            (norm.weight, arrays[norm_name + "gamma"]),
            (norm.bias, arrays[norm_name + "beta"]),
            (norm.running_mean, arrays[norm_name + mean]),
            (norm.running_var, arrays[norm_name + variance]),
        )
        for target, value in parts:
            if target is None or target.shape != value.shape:
                raise CheckpointError(
                    f"{kernel_name}: shape {value.shape}, expected {None if target is None else tuple(target.shape)}"
                )
            target.data.copy_(torch.from_numpy(np.ascontiguousarray(value)))


def load_mobilenet_v2(path: Path, *, size_px: int = 224) -> PretrainedMobileNetV2:
    """Load either public file; which one it is shows in its names.

    Args:
        path: `.npz` of float32 arrays under the original layer names.
        size_px: Side of the input images, a multiple of 32.

    Raises:
        CheckpointError: Not readable, or arrays missing or of another shape.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise CheckpointError(f"{path} is not a readable .npz file ({error})") from error
    is_keras = "Conv1/kernel" in arrays
    config = _KERAS if is_keras else _ONNX_ZOO
    network = MobileNetV2(config)
    try:
        _fill(network, arrays, is_keras=is_keras)
    except KeyError as error:
        raise CheckpointError(f"{path} lacks {error}; expected the Keras or the ONNX Model Zoo layer names") from error
    half = (0.5, 0.5, 0.5)
    preprocessing = Preprocessing(size_px, mean=half, std=half) if is_keras else Preprocessing(size_px)
    return PretrainedMobileNetV2(network.eval(), config, preprocessing)
