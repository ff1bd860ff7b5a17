"""Low-rank changes: zero at the start, a plain change of the weights afterwards."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch
from torch import nn

from hyperflow.adapted.backbone import AdaptableBackbone
from hyperflow.adapted.low_rank import low_rank_of
from hyperflow.adapted.subset import Subset, insert_changes, layout_of
from hyperflow.backbones.conv import ConvConfig, ConvNet
from hyperflow.backbones.folding import fold_batch_norms
from hyperflow.checkpoint import load_checkpoint, save_checkpoint
from hyperflow.errors import ConfigError
from hyperflow.model import HyperFlow, ModelConfig

LAYERS: dict[str, tuple[nn.Linear | nn.Conv2d, tuple[int, ...]]] = {
    "linear": (nn.Linear(6, 5), (2, 3, 6)),
    "1x1": (nn.Conv2d(6, 5, 1), (2, 6, 4, 4)),
    "1x1, stride 2": (nn.Conv2d(6, 5, 1, stride=2, bias=False), (2, 6, 5, 5)),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_a_change_is_zero_at_first_and_then_adds_up_times_down_to_the_weights(kind: str) -> None:
    base, shape = LAYERS[kind]
    x, expected_weight = torch.randn(shape), base.weight.detach().clone()
    changed = low_rank_of(base, rank=2)
    assert torch.equal(changed(x), base(x))

    nn.init.normal_(changed.up)
    expected_weight += (changed.up.detach() @ changed.down).view_as(expected_weight)

    expected = torch.func.functional_call(base, {"weight": expected_weight}, (x,))
    torch.testing.assert_close(changed(x), expected)
    assert not torch.allclose(expected, base(x), atol=1e-2)


def test_only_matrices_take_a_change() -> None:
    network = nn.Sequential(
        nn.Conv2d(4, 4, 3),
        nn.Conv2d(4, 4, 1, groups=2),
        nn.Conv2d(4, 4, 1, padding=1),
        nn.Conv2d(4, 6, 1),
        nn.LayerNorm(6),
        nn.MultiheadAttention(6, 2),  # reads the weights of its own linear layer, which is of a subclass
        nn.Linear(6, 3),
    )

    layout = layout_of(insert_changes(network, Subset("low_rank", rank=3)), "low_rank")

    assert [(slot.name, slot.size) for slot in layout.slots] == [("3.up", 6 * 3), ("6.up", 3 * 3)]


def test_limits_hold_for_changes_too_and_other_layers_stay_as_they_are() -> None:
    network = nn.Sequential(*(nn.Linear(4, 4) for _ in range(4)))

    layout = layout_of(insert_changes(network, Subset("low_rank", first_depth=0.5, rank=1)), "low_rank")

    assert [slot.name for slot in layout.slots] == ["2.up", "3.up"]
    assert [type(module).__name__ for module in network] == ["Linear"] * 2 + ["LowRankLinear"] * 2


def test_a_network_that_is_one_layer_alone_is_refused() -> None:
    with pytest.raises(ConfigError, match="Linear is a single layer; wrap it in a module to adapt it at low rank"):
        insert_changes(nn.Linear(4, 4), "low_rank")


def test_a_layout_without_inserted_changes_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no low-rank change; call insert_changes first"):
        layout_of(nn.Sequential(nn.Linear(4, 4)), "low_rank")


def test_theta_0_is_zero_and_gives_the_output_of_the_network() -> None:
    network = ConvNet(ConvConfig(widths=(8, 16)))
    backbone = AdaptableBackbone(network, 16, Subset("low_rank", rank=2))
    images = torch.randn(3, 3, 32, 32)

    assert [slot.name for slot in backbone.layout.slots] == ["stages.1.shortcut.0.up"]
    assert not backbone.theta_0.any()
    assert torch.equal(backbone(images, backbone.theta_0), fold_batch_norms(network)(images))
    assert not torch.allclose(backbone(images, backbone.units), backbone(images, backbone.theta_0))


def test_a_checkpoint_keeps_the_random_half_of_the_changes(tiny_config: ModelConfig, tmp_path: Path) -> None:
    model = HyperFlow(msgspec.structs.replace(tiny_config, subset=Subset("low_rank", rank=2))).eval()
    images, theta = torch.randn(2, 3, 32, 32), model.backbone.units * 3
    save_checkpoint(model, tmp_path)

    loaded = load_checkpoint(tmp_path)

    assert torch.equal(loaded.encode(images, theta), model.encode(images, theta))
