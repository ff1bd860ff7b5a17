"""Weights of a drift under training: what is validated, what is kept, and what stays as it is."""

from __future__ import annotations

import torch

from hyperflow.model import HyperFlow
from hyperflow.training.drift_weights import DriftWeights
from hyperflow.training.workers import Workers

ALONE = Workers(0, 1, torch.device("cpu"))


def _weights(model: HyperFlow) -> DriftWeights:
    return DriftWeights(model, ALONE, weight_decay=0.0, average_decay=0.9)


def _take_step(weights: DriftWeights) -> None:
    weights.update(sum(parameter.square().sum() for parameter in weights.drift.parameters()), 0.1)  # type: ignore[arg-type]


def test_the_average_is_in_place_for_a_while_and_the_backbone_stays_in_eval_mode(tiny_model: HyperFlow) -> None:
    weights = _weights(tiny_model)
    _take_step(weights)
    _take_step(weights)
    training = weights.drift["field"].from_time.weight.clone()

    with weights.use_average() as model:
        averaged = model.field.from_time.weight.clone()
        assert not model.training

    assert not torch.equal(averaged, training)
    assert torch.equal(tiny_model.field.from_time.weight, training)
    assert weights.drift.training
    assert not tiny_model.backbone.training


def test_the_best_weights_are_kept_at_the_end_of_a_stage(tiny_model: HyperFlow) -> None:
    weights = _weights(tiny_model)
    _take_step(weights)
    weights.note(0.6)
    with weights.use_average() as model:
        best = model.field.from_time.weight.clone()
    _take_step(weights)
    weights.note(0.5)

    assert weights.n_since_best == 1
    weights.end_stage()
    assert torch.equal(tiny_model.field.from_time.weight, best)
