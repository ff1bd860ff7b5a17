"""Which layers a subset reaches: by rule, by depth and by name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hyperflow.adapted.rules import Subset, adapted_layers, as_subset
from hyperflow.adapted.subset import layout_of
from hyperflow.backbones.build import build_backbone
from hyperflow.backbones.conv import ConvConfig, ConvNet
from hyperflow.backbones.folding import fold_batch_norms
from hyperflow.backbones.mobilenet_v2 import MobileNetV2Config
from hyperflow.errors import ConfigError
from hyperflow.model import ModelConfig

CONV_NORMS = ["stem.1"] + [
    f"stages.{stage}.{part}.1"
    for stage, parts in enumerate((("first", "second"), ("first", "second", "shortcut")))
    for part in parts
]


def _names(network: nn.Module, subset: Subset) -> list[str]:
    return [layer.name for layer in adapted_layers(network, subset)]


def _conv() -> nn.Module:
    return fold_batch_norms(ConvNet(ConvConfig(widths=(8, 16))))


class _Attention(nn.Module):
    def __init__(self, projections: dict[str, nn.Module]) -> None:
        super().__init__()
        for name, module in projections.items():
            self.add_module(name, module)
        self.proj = nn.Linear(8, 8)


def test_affine_on_the_conv_net_is_scale_and_shift_after_each_convolution() -> None:
    network = _conv()
    names = [slot.name for slot in layout_of(network, "affine").slots]

    assert names == [f"{norm}.{leaf}" for norm in CONV_NORMS for leaf in ("scale", "shift")]
    assert [slot.name for slot in layout_of(network, "shift").slots] == [f"{norm}.shift" for norm in CONV_NORMS]


def test_affine_on_mobilenet_v2_names_each_of_its_53_normalisations() -> None:
    network = fold_batch_norms(build_backbone(MobileNetV2Config())[0])
    convs = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    norms = [f"{name.rpartition('.')[0]}.{int(name.rpartition('.')[2]) + 1}" for name in convs]

    assert len(norms) == 53
    assert _names(network, Subset("affine")) == norms


@pytest.mark.parametrize("rule", ["bias", "layer_norm", "qkv_bias"])
def test_a_rule_without_such_layers_in_mobilenet_v2_is_refused(rule: Any) -> None:
    network = fold_batch_norms(build_backbone(MobileNetV2Config())[0])

    with pytest.raises(ConfigError, match=f"subset '{rule}' names no parameter of MobileNetV2; choose another"):
        adapted_layers(network, Subset(rule))


@pytest.mark.parametrize(
    ("projections", "names"),
    [
        ({"qkv": nn.Linear(8, 24)}, ["0.qkv.bias"]),
        ({"query": nn.Linear(8, 8), "key": nn.Linear(8, 4), "value": nn.Linear(8, 4)},
         ["0.query.bias", "0.key.bias", "0.value.bias"]),
        ({"q_proj": nn.Linear(8, 8), "k_proj": nn.Linear(8, 8, bias=False), "v_proj": nn.Linear(8, 8)},
         ["0.q_proj.bias", "0.v_proj.bias"]),
    ],
    ids=["fused", "separate", "no bias on the keys"],
)  # fmt: skip
def test_qkv_bias_names_the_projections_and_no_other_linear_layer(
    projections: dict[str, nn.Module], names: list[str]
) -> None:
    network = nn.Sequential(_Attention(projections), nn.Linear(8, 8))

    assert [slot.name for slot in layout_of(network, "qkv_bias").slots] == names


@pytest.mark.parametrize(
    "projections",
    [
        {"qkv": nn.Linear(8, 16)},
        {"qkv": nn.Conv2d(8, 24, 1)},
        {"query": nn.Linear(8, 8)},
        {"query": nn.Linear(8, 8), "key": nn.Linear(8, 8), "value": nn.Identity()},
        {"qkv": nn.Linear(8, 24, bias=False)},
    ],
    ids=["not three outputs", "a convolution", "no siblings", "a sibling of another kind", "no bias"],
)
def test_what_only_looks_like_attention_is_no_part_of_qkv_bias(projections: dict[str, nn.Module]) -> None:
    with pytest.raises(ConfigError, match="subset 'qkv_bias' names no parameter"):
        layout_of(nn.Sequential(_Attention(projections)), "qkv_bias")


@given(cut=st.floats(0.01, 0.99))
def test_two_depths_that_meet_share_all_layers_between_them(cut: float) -> None:
    network = nn.Sequential(*(nn.LayerNorm(4) for _ in range(7)))
    n_below = sum((index + 0.5) / 7 < cut for index in range(7))

    for subset, expected in (
        (Subset("affine", last_depth=cut), range(n_below)),
        (Subset("affine", first_depth=cut), range(n_below, 7)),
    ):
        if expected:
            assert _names(network, subset) == [str(index) for index in expected]
        else:
            with pytest.raises(ConfigError, match="or wider depths: it has 7 such layers"):
                adapted_layers(network, subset)


def test_the_last_third_of_the_conv_net_is_its_last_two_normalisations() -> None:
    assert _names(_conv(), Subset("affine", first_depth=0.66)) == CONV_NORMS[-2:]


def test_within_a_module_only_its_layers_adapt_and_depth_is_counted_in_it() -> None:
    network = _conv()

    assert _names(network, Subset("affine", within=("stages.0",))) == CONV_NORMS[1:3]
    assert _names(network, Subset("affine", within=("stages.1", "stem"))) == [CONV_NORMS[0], *CONV_NORMS[3:]]
    assert _names(network, Subset("affine", within=("stages.0",), first_depth=0.5)) == [CONV_NORMS[2]]


def test_a_module_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="within names 'stage', no module of ConvNet; it begins with stem, stages"):
        adapted_layers(_conv(), Subset("affine", within=("stage",)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"rule": "everything"},
            "subset must be one of affine, shift, bias, layer_norm, qkv_bias, low_rank, got 'every",
        ),
        ({"first_depth": 0.5, "last_depth": 0.5}, "0 <= first_depth < last_depth <= 1, got 0.5 and 0.5"),
        ({"first_depth": -0.1}, "got -0.1 and 1.0"),
        ({"last_depth": 1.5}, "got 0.0 and 1.5"),
        ({"first_depth": float("nan")}, "got nan and 1.0"),
        ({"rank": 0}, "rank must be 1..64, got 0"),
    ],
)
def test_a_subset_that_cannot_be_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Subset(**values)


@pytest.mark.parametrize("subset", ["affine", Subset("low_rank", 0.5, 1.0, ("stages",), 2)])
def test_both_forms_of_a_subset_travel_in_a_configuration(subset: Any) -> None:
    config = ModelConfig(subset=subset)

    decoded = msgspec.json.decode(msgspec.json.encode(config), type=ModelConfig)

    assert decoded == config
    assert as_subset(decoded.subset) == as_subset(subset)
    assert as_subset("shift") == Subset("shift", 0.0, 1.0)
