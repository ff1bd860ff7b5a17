"""The adapted subset: which parameters each rule names, and how they lie in theta."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from hyperflow.adapted.subset import SubsetRule, gather_theta, layout_of
from hyperflow.backbones.build import BackboneConfig, build_backbone
from hyperflow.backbones.conv import ConvConfig, ConvNet
from hyperflow.backbones.folding import fold_batch_norms
from hyperflow.backbones.mobilenet_v2 import MobileNetV2Config
from hyperflow.errors import ConfigError

_CONV_CHANNELS = 48 + 2 * 48 + 3 * (96 + 192 + 384)
_MOBILENET_CHANNELS = 17056  # of the paper's network; table 2 summed over all convolutions


def _mixed_network() -> nn.Module:
    """Normalisations of every kind, and layers with and without a bias."""
    return fold_batch_norms(
        nn.Sequential(
            nn.Conv2d(3, 4, 3, bias=False),
            nn.BatchNorm2d(4),
            nn.Conv2d(4, 6, 1),
            nn.GroupNorm(2, 6),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 5),
            nn.LayerNorm(5),
        )
    )


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ("affine", ["1.scale", "1.shift", "3.weight", "3.bias", "7.weight", "7.bias"]),
        ("shift", ["1.shift", "3.bias", "7.bias"]),
        ("bias", ["2.bias", "6.bias"]),
        ("layer_norm", ["7.weight", "7.bias"]),
    ],
)
def test_each_rule_names_its_parameters_in_the_order_of_the_modules(rule: SubsetRule, names: list[str]) -> None:
    network = _mixed_network()
    layout = layout_of(network, rule)

    assert [slot.name for slot in layout.slots] == names
    assert [slot.size for slot in layout.slots] == [network.get_parameter(name).numel() for name in names]


@pytest.mark.parametrize("rule", ["affine", "shift", "bias", "layer_norm"])
def test_slots_leave_no_hole_and_gather_what_they_name(rule: SubsetRule) -> None:
    network = _mixed_network()
    for parameter in network.parameters():
        nn.init.normal_(parameter)

    layout = layout_of(network, rule)
    theta = gather_theta(network, layout)

    assert layout.slots[0].offset == 0
    assert all(after.offset == slot.offset + slot.size for slot, after in pairwise(layout.slots))
    assert theta.shape == (layout.n_parameters,)
    assert not theta.requires_grad
    for slot in layout.slots:
        assert torch.equal(theta[slot.offset : slot.offset + slot.size], network.get_parameter(slot.name).flatten())


@pytest.mark.parametrize(
    ("config", "rule", "n_parameters"),
    [
        (ConvConfig(), "affine", 2 * _CONV_CHANNELS),
        (ConvConfig(), "shift", _CONV_CHANNELS),
        (ConvConfig(widths=(8,)), "affine", 2 * 3 * 8),
        (MobileNetV2Config(expand_first=False), "affine", 2 * _MOBILENET_CHANNELS),
        (MobileNetV2Config(expand_first=True), "affine", 2 * (_MOBILENET_CHANNELS + 32)),
    ],
)
def test_theta_has_the_expected_length(config: BackboneConfig, rule: SubsetRule, n_parameters: int) -> None:
    network, _ = build_backbone(config)

    assert layout_of(fold_batch_norms(network), rule).n_parameters == n_parameters


def test_a_rule_that_names_nothing_is_refused() -> None:
    network = fold_batch_norms(ConvNet(ConvConfig(widths=(8,))))

    with pytest.raises(ConfigError, match="subset 'bias' names no parameter of ConvNet; choose another subset"):
        layout_of(network, "bias")


def test_before_folding_a_batch_norm_is_no_part_of_the_subset() -> None:
    with pytest.raises(ConfigError, match="names no parameter"):
        layout_of(ConvNet(ConvConfig(widths=(8,))), "affine")
