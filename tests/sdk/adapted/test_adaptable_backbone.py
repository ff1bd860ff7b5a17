"""A backbone whose adapted subset is an argument."""

from __future__ import annotations

import copy

import pytest
import torch

from hyperflow.adapted.backbone import AdaptableBackbone
from hyperflow.adapted.subset import SubsetRule
from hyperflow.backbones.conv import ConvConfig, ConvNet
from hyperflow.backbones.folding import fold_batch_norms

N_SLOTS = 12  # of `affine` in a network of two stages: scale and shift of stem, two and three normalisations


@pytest.fixture
def backbone() -> AdaptableBackbone:
    network = ConvNet(ConvConfig(widths=(8, 16)))
    for _ in range(3):
        network(torch.randn(8, 3, 32, 32))  # running statistics that are not the initial ones
    return AdaptableBackbone(network, network.feature_dim, "affine")


@pytest.mark.parametrize("rule", ["affine", "shift"])
def test_theta_0_gives_the_output_of_the_folded_network(rule: SubsetRule) -> None:
    network = ConvNet(ConvConfig(widths=(8, 16)))
    backbone, images = AdaptableBackbone(network, 16, rule), torch.randn(4, 3, 32, 32)

    assert torch.equal(backbone(images, backbone.theta_0), fold_batch_norms(network)(images))


@pytest.mark.parametrize("number", range(N_SLOTS))
def test_changing_one_slot_is_setting_that_one_parameter(backbone: AdaptableBackbone, number: int) -> None:
    assert len(backbone.layout.slots) == N_SLOTS
    slot, images = backbone.layout.slots[number], torch.randn(4, 3, 32, 32)
    theta = backbone.theta_0.clone()
    theta[slot.offset : slot.offset + slot.size] += 0.5
    by_hand = copy.deepcopy(backbone.network)
    by_hand.get_parameter(slot.name).data += 0.5

    features = backbone(images, theta)

    assert torch.equal(features, by_hand(images))
    assert not torch.allclose(features, backbone(images, backbone.theta_0))


def test_a_forward_pass_leaves_no_trace_of_theta(backbone: AdaptableBackbone) -> None:
    images = torch.randn(2, 3, 32, 32)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    expected = backbone(images, backbone.theta_0)

    backbone(images, backbone.theta_0 * 3)

    assert torch.equal(backbone(images, backbone.theta_0), expected)
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())


def test_gradients_reach_theta_and_nothing_else(backbone: AdaptableBackbone) -> None:
    theta = backbone.theta_0.clone().requires_grad_()

    backbone(torch.randn(4, 3, 32, 32), theta).square().sum().backward()

    assert theta.grad is not None
    for slot in backbone.layout.slots:
        assert theta.grad[slot.offset : slot.offset + slot.size].abs().max() > 0, slot.name
    assert all(not p.requires_grad and p.grad is None for p in backbone.parameters())


def test_theta_0_and_units_travel_with_the_state(backbone: AdaptableBackbone) -> None:
    other = AdaptableBackbone(ConvNet(ConvConfig(widths=(8, 16))), 16, "affine")
    assert not torch.equal(other.theta_0, backbone.theta_0)

    other.load_state_dict(backbone.state_dict())

    assert torch.equal(other.theta_0, backbone.theta_0)
    assert torch.equal(other.units, backbone.units)
