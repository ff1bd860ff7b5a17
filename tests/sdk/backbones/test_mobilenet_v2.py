"""MobileNetV2 and the loading of its two public weight files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from hyperflow.adapted.prototypes import cosine_scores, prototypes_of
from hyperflow.backbones.mobilenet_v2 import MobileNetV2, MobileNetV2Config
from hyperflow.backbones.mobilenet_v2_weights import load_mobilenet_v2
from hyperflow.backbones.opening import open_backbone
from hyperflow.episodes.sampling import episode_rng, sample_episode
from hyperflow.errors import CheckpointError
from hyperflow.images.image_set import open_image_set
from hyperflow.images.preprocessing import crop_and_resize, normalise

Variant = Literal["keras", "onnx-zoo"]
CONFIGS = {
    "keras": MobileNetV2Config(padding="tensorflow", expand_first=False, norm_eps=1e-3),
    "onnx-zoo": MobileNetV2Config(padding="symmetric", expand_first=True, norm_eps=1e-5),
}
N_CONVOLUTIONS = {"keras": 52, "onnx-zoo": 53}
VARIANTS = ["keras", "onnx-zoo"]


def _names(variant: Variant) -> list[tuple[str, list[str]]]:
    """Each kernel with gamma, beta, mean and variance of its normalisation, as the public files spell them."""
    if variant == "keras":
        layers = [("Conv1/kernel", "bn_Conv1")]
        for b in range(17):
            prefix = f"block_{b}_" if b else "expanded_conv_"
            if b:
                layers.append((f"{prefix}expand/kernel", f"{prefix}expand_BN"))
            layers.append((f"{prefix}depthwise/depthwise_kernel", f"{prefix}depthwise_BN"))
            layers.append((f"{prefix}project/kernel", f"{prefix}project_BN"))
        layers.append(("Conv_1/kernel", "Conv_1_bn"))
        return [(k, [f"{n}/{x}" for x in ("gamma", "beta", "moving_mean", "moving_variance")]) for k, n in layers]
    parts = ["", *(f"linearbottleneck{b}_" for b in range(17) for _ in range(3)), ""]
    numbers = [0, *(list(range(3)) * 17), 1]
    stems = [("mobilenetv20_features_" + part, number) for part, number in zip(parts, numbers, strict=True)]
    suffixes = ("gamma", "beta", "running_mean", "running_var")
    return [(f"{s}conv{n}_weight", [f"{s}batchnorm{n}_{x}" for x in suffixes]) for s, n in stems]


def _random_network(variant: Variant) -> MobileNetV2:
    network = MobileNetV2(CONFIGS[variant])
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.8, 1.6)
            nn.init.normal_(module.bias, std=0.1)
    return network.eval()


def _arrays(network: MobileNetV2, variant: Variant) -> dict[str, NDArray[np.float32]]:
    """The network's weights, named and laid out as in the public file."""
    convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    arrays: dict[str, NDArray[np.float32]] = {}
    for conv, norm, (kernel_name, norm_names) in zip(convs, norms, _names(variant), strict=True):
        kernel = conv.weight.detach().numpy()
        if variant == "keras":  # HWIO; a depthwise kernel has its channels as inputs
            kernel = np.moveaxis(kernel, (0, 1), (2, 3) if conv.groups > 1 else (3, 2))
        arrays[kernel_name] = kernel
        values = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
        arrays |= {n: v.detach().numpy() for n, v in zip(norm_names, values, strict=True) if v is not None}
    return arrays


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_variants_have_as_many_convolutions_as_their_files(variant: Variant) -> None:
    network = MobileNetV2(CONFIGS[variant])

    convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(convs) == N_CONVOLUTIONS[variant]
    assert sum(conv.groups > 1 for conv in convs) == 17
    assert all(conv.bias is None for conv in convs)
    assert sum(isinstance(module, nn.BatchNorm2d) for module in network.modules()) == len(convs)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("side", [32, 64, 96])
def test_features_have_1280_numbers_in_0_to_6_at_every_size(variant: Variant, side: int) -> None:
    network = _random_network(variant)
    images = torch.randn(2, 3, side, side)

    with torch.no_grad():
        features, maps = network(images), network.blocks(images)

    assert features.shape == (2, 1280)
    assert maps.shape == (2, 1280, side // 32, side // 32)
    assert 0 <= features.min() < features.max() <= 6


@pytest.mark.parametrize(("variant", "row_of_output_1"), [("keras", 2), ("onnx-zoo", 1)])
def test_at_stride_2_tensorflow_pads_only_the_bottom_and_the_right(variant: Variant, row_of_output_1: int) -> None:
    stem = MobileNetV2(CONFIGS[variant]).blocks[0]
    conv = next(module for module in stem.modules() if isinstance(module, nn.Conv2d))
    nn.init.zeros_(conv.weight)
    conv.weight.data[:, 0, 0, 0] = 1.0  # the top left tap of each window
    rows = torch.arange(8.0).view(1, 1, 8, 1).expand(1, 3, 8, 8)

    padded = stem[0](rows) if isinstance(stem[0], nn.ZeroPad2d) else rows  # type: ignore[index]

    out = conv(padded)
    assert out.shape[2:] == (4, 4)
    assert out[0, 0, 1, 1].item() == row_of_output_1


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_file_in_either_layout_gives_back_the_network_it_was_made_from(variant: Variant, tmp_path: Path) -> None:
    source, images = _random_network(variant), torch.randn(2, 3, 64, 64)
    np.savez(tmp_path / "weights.npz", allow_pickle=False, **_arrays(source, variant))

    loaded = load_mobilenet_v2(tmp_path / "weights.npz", size_px=96)

    assert loaded.config == CONFIGS[variant]
    assert not loaded.network.training
    assert loaded.preprocessing.size_px == 96
    assert loaded.preprocessing.mean == ((0.5, 0.5, 0.5) if variant == "keras" else (0.485, 0.456, 0.406))
    with torch.no_grad():
        assert torch.equal(loaded.network(images), source(images))


def test_one_word_opens_a_weight_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", allow_pickle=False, **_arrays(_random_network("keras"), "keras"))

    opened = open_backbone(f"mobilenet_v2:{tmp_path / 'weights.npz'}", 96)

    loaded, images = load_mobilenet_v2(tmp_path / "weights.npz", size_px=96), torch.randn(1, 3, 64, 64)
    assert (opened.config, opened.preprocessing) == (loaded.config, loaded.preprocessing)
    assert torch.equal(opened.network(images), loaded.network(images))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "lacks '{name}'; expected the Keras or the ONNX Model Zoo layer names"),
        (np.zeros((1, 2, 3, 4), np.float32), r"{name}: shape \(.*\), expected \(1280, 320, 1, 1\)"),
    ],
    ids=["missing", "another shape"],
)
def test_a_file_that_lacks_an_array_or_has_another_shape_is_refused(
    variant: Variant, value: NDArray[np.float32] | None, message: str, tmp_path: Path
) -> None:
    arrays, name = _arrays(_random_network(variant), variant), _names(variant)[-1][0]
    if value is None:
        del arrays[name]
    else:
        arrays[name] = value
    np.savez(tmp_path / "weights.npz", allow_pickle=False, **arrays)

    with pytest.raises(CheckpointError, match=message.format(name=name)):
        load_mobilenet_v2(tmp_path / "weights.npz")


def _write_npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def _write_torn(path: Path) -> None:
    np.savez_compressed(path, allow_pickle=False, **{"Conv1/kernel": np.random.default_rng(0).random(20_000)})
    path.write_bytes(path.read_bytes()[:-3000])


def _write_spoilt(path: Path) -> None:
    np.savez_compressed(path, allow_pickle=False, **{"Conv1/kernel": np.random.default_rng(0).random(20_000)})
    data = bytearray(path.read_bytes())
    data[10_000:11_000] = bytes(1000)
    path.write_bytes(data)


def _write_objects(path: Path) -> None:
    np.savez(path, allow_pickle=True, **{"Conv1/kernel": np.array([{"a": 1}], dtype=object)})


@pytest.mark.parametrize(
    "write",
    [
        lambda path: None,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("no weights"),
        lambda path: path.mkdir(),
        _write_npy,
        _write_torn,
        _write_spoilt,
        _write_objects,
    ],
    ids=["missing", "empty", "text", "folder", "npy", "torn", "spoilt", "pickled objects"],
)
def test_a_file_that_is_no_whole_npz_is_refused(write: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    write(path)

    with pytest.raises(CheckpointError, match=r"weights.npz is not a readable .npz file"):
        load_mobilenet_v2(path)


def test_an_npz_of_another_network_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", allow_pickle=False, **{"layer1.conv.weight": np.zeros((3, 3))})

    with pytest.raises(CheckpointError, match="lacks 'mobilenetv20_features_conv0_weight'"):
        load_mobilenet_v2(tmp_path / "weights.npz")


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("file_name", "least"), [("mobilenetv2_keras.npz", 0.85), ("mobilenetv2_onnxzoo.npz", 0.8)], ids=VARIANTS
)
def test_public_weights_recognise_flowers_from_five_shots(data_dir: Path, file_name: str, least: float) -> None:
    """ImageNet features and prototypes classify 5-way 5-shot flowers; wrong padding, order or scale would not."""
    loaded = load_mobilenet_v2(data_dir / "weights" / file_name)
    flowers = open_image_set(data_dir / "data/train/flowers17.zip")
    members = [member for group in flowers.classes.values() for member in group[:12]]
    pixels = np.stack([crop_and_resize(flowers.image(member), loaded.preprocessing) for member in members])
    with torch.no_grad():
        batches = [torch.from_numpy(part) for part in np.array_split(pixels, 12)]
        features = torch.cat([loaded.network(normalise(batch, loaded.preprocessing)) for batch in batches])
    accuracies = []
    for index in range(30):
        rng = episode_rng(0, flowers.name, index)
        episode = sample_episode([12] * len(flowers.classes), n_way=5, n_shot=5, n_query=7, rng=rng)
        onehot = torch.eye(5)[torch.from_numpy(episode.support_labels)]
        scores = cosine_scores(features[episode.query_rows], prototypes_of(features[episode.support_rows], onehot))
        accuracies.append((scores.argmax(dim=1).numpy() == episode.query_labels).mean())

    assert np.mean(accuracies) > least
