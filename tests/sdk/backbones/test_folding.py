"""Folding of BatchNorm: the same function with plain scales and shifts."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hyperflow.backbones.build import BackboneConfig, build_backbone
from hyperflow.backbones.conv import ConvConfig
from hyperflow.backbones.folding import ChannelAffine, fold_batch_norms
from hyperflow.backbones.mobilenet_v2 import MobileNetV2Config
from hyperflow.errors import ConfigError

CONFIGS: list[BackboneConfig] = [
    ConvConfig(widths=(8, 16, 24)),
    MobileNetV2Config(padding="symmetric", expand_first=True, norm_eps=1e-5),
    MobileNetV2Config(padding="tensorflow", expand_first=False, norm_eps=1e-3),
]


def _randomise_norms(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.3, 3.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)


@pytest.mark.parametrize("config", CONFIGS, ids=["conv", "onnx-zoo", "keras"])
def test_a_folded_network_computes_what_the_network_computes_in_eval_mode(config: BackboneConfig) -> None:
    network, feature_dim = build_backbone(config)
    _randomise_norms(network)
    images = torch.randn(3, 3, 64, 64)

    with torch.no_grad():
        expected = network.eval()(images)
        folded = fold_batch_norms(network)(images)

    assert folded.shape == (3, feature_dim)
    assert expected.std() > 1e-3
    torch.testing.assert_close(folded, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("config", CONFIGS, ids=["conv", "onnx-zoo", "keras"])
def test_every_batch_norm_becomes_a_channel_affine(config: BackboneConfig) -> None:
    network, _ = build_backbone(config)
    folded = fold_batch_norms(network)

    n_norms = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert n_norms > 0
    assert sum(isinstance(module, ChannelAffine) for module in folded.modules()) == n_norms
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())


def test_scale_and_shift_are_what_the_statistics_say() -> None:
    norm = nn.BatchNorm2d(2, eps=0.0)
    norm.weight.data = torch.tensor([3.0, 1.0])
    norm.bias.data = torch.tensor([0.5, -1.0])
    norm.running_mean = torch.tensor([2.0, -4.0])
    norm.running_var = torch.tensor([4.0, 0.25])

    affine = fold_batch_norms(nn.Sequential(norm))[0]  # type: ignore[index]

    assert affine.scale.tolist() == [1.5, 2.0]
    assert affine.shift.tolist() == [0.5 - 2.0 * 1.5, -1.0 + 4.0 * 2.0]


def test_the_given_network_is_not_changed() -> None:
    network, _ = build_backbone(ConvConfig(widths=(8,)))
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}

    folded = fold_batch_norms(network)
    folded.get_submodule("stem").requires_grad_(False)
    for parameter in folded.parameters():
        parameter.data.zero_()

    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not folded.training


def test_a_batch_norm_without_running_statistics_is_refused() -> None:
    with pytest.raises(ConfigError, match="without running statistics cannot be folded; train with track_running"):
        fold_batch_norms(nn.Sequential(nn.BatchNorm2d(4, track_running_stats=False)))


def test_a_fresh_channel_affine_is_the_identity() -> None:
    x = torch.randn(2, 5, 3, 3)

    assert torch.equal(ChannelAffine(5)(x), x)
