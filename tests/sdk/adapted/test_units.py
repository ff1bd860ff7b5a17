"""The unit of each coordinate of theta."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hyperflow.adapted.subset import insert_changes, layout_of
from hyperflow.adapted.units import units_of
from hyperflow.backbones.folding import fold_batch_norms


def _network() -> nn.Module:
    return fold_batch_norms(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 5)))


def test_a_unit_is_the_mean_magnitude_of_its_tensor_and_never_vanishes() -> None:
    network = _network()
    with torch.no_grad():
        network.get_parameter("1.scale").copy_(torch.tensor([1.0, -2.0, 3.0, -4.0]))
        network.get_parameter("1.shift").zero_()

    units = units_of(network, layout_of(network, "affine"))

    assert units[:4].tolist() == [2.5] * 4
    assert units[4:].tolist() == pytest.approx([1e-3] * 4)


@pytest.mark.parametrize(("bias", "unit"), [(0.0, 0.2), (0.05, 0.2), (-3.0, 3.0)])
def test_a_bias_near_zero_is_measured_in_the_outputs_of_its_layer(bias: float, unit: float) -> None:
    """Rows of 4 weights of 1 have length 2, which is the deviation of an output whose inputs have deviation 1."""
    network = _network()
    with torch.no_grad():
        network.get_parameter("3.weight").fill_(1.0)
        network.get_parameter("3.bias").fill_(bias)

    units = units_of(network, layout_of(network, "bias"))

    assert units[-5:].tolist() == pytest.approx([unit] * 5)


def test_a_low_rank_change_of_one_unit_everywhere_has_the_magnitude_of_the_weights() -> None:
    network = insert_changes(nn.Sequential(nn.Linear(400, 300)), "low_rank")
    layout = layout_of(network, "low_rank")
    units = units_of(network, layout)
    layer = network.get_submodule("0")
    weight, down = network.get_parameter("0.base.weight"), network.get_buffer("0.down")
    signs = torch.where(torch.randn(300, 4) > 0, 1.0, -1.0)

    change = (units.view(300, 4) * signs) @ down

    assert type(layer).__name__ == "LowRankLinear"
    assert change.square().mean().sqrt().item() == pytest.approx(weight.abs().mean().item(), rel=0.1)
