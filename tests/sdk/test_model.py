"""The drift inside the whole model: invariance of the encoder, the Euler steps, and what configurations refuse."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from hyperflow.adapted.subset import Slot, ThetaLayout
from hyperflow.backbones.conv import ConvConfig
from hyperflow.drift.config import DriftConfig
from hyperflow.drift.encoder import SupportEncoder
from hyperflow.drift.field import DriftField
from hyperflow.errors import ConfigError
from hyperflow.model import DeviceDefaults, HyperFlow, ModelConfig

FEATURE_DIM = 16


@pytest.fixture(scope="module")
def encoder() -> SupportEncoder:
    torch.manual_seed(1)
    encoder = SupportEncoder(FEATURE_DIM, DriftConfig(width=32, encoder_layers=2, encoder_heads=4)).eval()
    torch.nn.init.normal_(encoder.task_token)
    return encoder


def _task(n_way: int, n_shot: int) -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.arange(n_way).repeat_interleave(n_shot)
    return torch.rand(len(labels), FEATURE_DIM), functional.one_hot(labels, n_way).float()


@settings(max_examples=30, deadline=None)
@given(n_way=st.integers(2, 9), n_shot=st.integers(1, 6), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_classes_and_shots_does_not_matter(
    encoder: SupportEncoder, n_way: int, n_shot: int, seed: int
) -> None:
    torch.manual_seed(seed)
    features, onehot = _task(n_way, n_shot)
    shots, classes = torch.randperm(len(features)), torch.randperm(n_way)

    with torch.no_grad():
        task, shuffled = encoder(features, onehot), encoder(features[shots], onehot[shots][:, classes])

    assert task.shape == (1, 32)
    torch.testing.assert_close(shuffled, task, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        lambda features, onehot: (features.flip(1), onehot),
        lambda features, onehot: (features, onehot[torch.randperm(len(onehot))]),
        lambda features, onehot: (features[1:], onehot[1:]),
    ],
    ids=["other features", "other labels", "one shot fewer"],
)
def test_another_task_has_another_vector(
    encoder: SupportEncoder, change: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
) -> None:
    features, onehot = _task(4, 3)

    with torch.no_grad():
        distance = (encoder(features, onehot) - encoder(*change(features, onehot))).abs().max()

    assert distance > 1e-2


def test_an_untrained_field_is_zero_everywhere() -> None:
    layout = ThetaLayout((Slot("early", 0, 6), Slot("late", 6, 4)))
    field = DriftField(layout, 4, DriftConfig(width=16)).eval()

    support = field.summarise(torch.rand(6, 4), torch.eye(3).repeat(2, 1), torch.randn(1, 16))
    velocity = field(torch.randn(1, 10), torch.rand(1, 1), support)

    assert torch.equal(velocity, torch.zeros(1, 10))


def test_an_untrained_drift_leaves_theta_exactly_where_it_is(tiny_config: ModelConfig) -> None:
    model = HyperFlow(tiny_config).eval()

    theta, step_norms = model.adapt(*_task(3, 2), torch.ones(()))

    assert torch.equal(theta, model.backbone.theta_0)
    assert step_norms.tolist() == [0.0, 0.0]


def test_a_step_size_of_zero_gives_theta_0_whatever_the_drift_says(tiny_model: HyperFlow) -> None:
    theta, step_norms = tiny_model.adapt(*_task(3, 2), torch.zeros(()))

    assert torch.equal(theta, tiny_model.backbone.theta_0)
    assert step_norms.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("step_size", [0.5, 1.0])
def test_adapting_follows_the_field_in_units_of_each_coordinate(tiny_model: HyperFlow, step_size: float) -> None:
    features, onehot = _task(4, 3)
    with torch.no_grad():
        support = tiny_model.field.summarise(features, onehot, tiny_model.encoder(features, onehot))
        change, norms = torch.zeros(1, len(tiny_model.backbone.theta_0)), []
        for k in range(tiny_model.config.n_steps):
            t = torch.tensor([[k / tiny_model.config.n_steps]])
            step = step_size * tiny_model.field(change, t, support)
            norms.append(step.norm().item())
            change = change + step

        theta, step_norms = tiny_model.adapt(features, onehot, torch.tensor(step_size))

    assert change.abs().max() > 1e-2
    torch.testing.assert_close(theta, tiny_model.backbone.theta_0 + tiny_model.backbone.units * change[0])
    assert step_norms.tolist() == pytest.approx(norms, rel=1e-5)


def test_scores_of_the_model_are_cosines_to_prototypes_under_one_theta(tiny_model: HyperFlow) -> None:
    support, queries = torch.randn(4, 3, 32, 32), torch.randn(3, 3, 32, 32)
    onehot = functional.one_hot(torch.tensor([0, 0, 1, 1])).float()
    theta = tiny_model.backbone.theta_0 * 1.5

    with torch.no_grad():
        scores = tiny_model.scores(support, onehot, queries, theta)
        unit = functional.normalize(tiny_model.encode(torch.cat([support, queries]), theta), dim=1)
        means = functional.normalize(torch.stack([unit[:2].mean(dim=0), unit[2:4].mean(dim=0)]), dim=1)

    torch.testing.assert_close(scores, unit[4:] @ means.T)


def test_the_exported_name_of_a_slot_can_be_found_in_the_network(tiny_model: HyperFlow) -> None:
    network = tiny_model.backbone.network

    for slot in tiny_model.backbone.layout.slots:
        values = tiny_model.backbone.theta_0[slot.offset : slot.offset + slot.size]
        np.testing.assert_array_equal(values.numpy(), network.get_parameter(slot.name).detach().numpy())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DriftConfig(width=7), "width must be at least 8 and a multiple of the heads, got 7, 4"),
        (lambda: DriftConfig(width=18, encoder_heads=4), "a multiple of the heads, got 18, 4"),
        (lambda: DriftConfig(encoder_heads=0), "a multiple of the heads, got 256, 0"),
        (lambda: DriftConfig(field_blocks=-1), "layers and blocks must be at least 0"),
        (lambda: DriftConfig(dropout=1.0), "dropout in [0, 1)"),
        (lambda: DriftConfig(field_rank=-1), "field_rank, channel_width and feedback_width must be at least 0"),
        (lambda: DriftConfig(channel_width=-1), "field_rank, channel_width and feedback_width must be at least 0"),
        (lambda: DriftConfig(feedback_width=-1), "field_rank, channel_width and feedback_width must be at least 0"),
        (lambda: ConvConfig(widths=()), "widths must be one or more numbers of at least 8, got ()"),
        (lambda: ConvConfig(widths=(16, 4)), "at least 8, got (16, 4)"),
        (lambda: ModelConfig(n_steps=0), "n_steps must be 1..64, got 0"),
        (lambda: ModelConfig(n_steps=65), "n_steps must be 1..64, got 65"),
        (lambda: DeviceDefaults(candidates=(0.0, 1.0)), "2 candidates need as many penalties, got 3"),
        (
            lambda: DeviceDefaults(candidates=(0.5, 0.7, 1.0)),
            "candidates must hold 0 (do nothing), got (0.5, 0.7, 1.0)",
        ),
        (lambda: DeviceDefaults(logit_scale=0.0), "logit_scale must be above 0, got 0.0"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        make()
