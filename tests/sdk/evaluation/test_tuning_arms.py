"""The methods with gradients: they learn, they are replayable, and a divergence is told and does no harm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperflow.errors import ConfigError
from hyperflow.evaluation.config import EvaluationConfig
from hyperflow.evaluation.evaluating import evaluate
from hyperflow.evaluation.linear_probe import fit_linear_head
from hyperflow.evaluation.methods import ALL_METHODS, Answer, Task
from hyperflow.evaluation.recipes import LinearProbe, Recipes
from hyperflow.images.image_set import ImageSet
from hyperflow.model import HyperFlow
from hyperflow.teacher.fine_tuning import FineTuning


def _recipes(learning_rate: float = 0.1, n_steps: int = 40) -> Recipes:
    return Recipes(
        FineTuning("subset", n_steps=n_steps, learning_rate=learning_rate, augmentation=0.0),
        FineTuning("all", n_steps=n_steps, learning_rate=learning_rate / 10, augmentation=0.0),
    )


def _accuracy(answer: Answer) -> float:
    """In a task of telling shapes apart."""
    return float((answer.labels == np.arange(4).repeat(16)).mean())


@pytest.mark.parametrize("method", ["subset_tuning", "full_tuning"])
def test_fine_tuning_tells_shapes_apart_better_than_an_untrained_backbone(
    method: str, make_subject, make_shape_task
) -> None:
    subject = make_subject(_recipes())

    answers = subject.answer(make_shape_task(subject), ("direct", method))

    assert not answers[method].failed
    assert _accuracy(answers[method]) > _accuracy(answers["direct"]) + 0.1


def test_every_method_answers_the_same_again_and_leaves_the_model_as_it_was(
    tiny_model: HyperFlow, make_subject, make_task
) -> None:
    subject = make_subject(_recipes(n_steps=3))
    task = make_task(subject)
    before = {name: tensor.clone() for name, tensor in tiny_model.state_dict().items()}

    first, again = (subject.answer(task, ALL_METHODS) for _ in range(2))

    assert list(first) == list(ALL_METHODS)
    for method in ALL_METHODS:
        assert first[method].labels.tolist() == again[method].labels.tolist()
    for name, tensor in tiny_model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_tuning_without_a_step_is_direct_transfer(make_subject, make_task) -> None:
    subject = make_subject(_recipes(n_steps=0))

    answers = subject.answer(make_task(subject), ("direct", "subset_tuning", "full_tuning"))

    for method in ("subset_tuning", "full_tuning"):
        assert answers[method].labels.tolist() == answers["direct"].labels.tolist()


def test_tuning_that_diverges_counts_as_direct_and_is_told(make_subject, sets: list[ImageSet]) -> None:
    subject = make_subject(_recipes(learning_rate=1e30))
    config = EvaluationConfig(8, 2, 3, episodes=2, methods=("direct", "subset_tuning"), costs=False)

    result, _ = evaluate(subject, "tiny", sets, config)

    assert result.mean.failed == {"direct": 0, "subset_tuning": 4}
    assert result.mean.accuracy["subset_tuning"] == result.mean.accuracy["direct"]


def test_a_linear_probe_learns_the_support(make_subject, make_shape_task) -> None:
    subject = make_subject(Recipes(linear_probe=LinearProbe(inverse_penalty=1e5, n_iterations=500)))
    task = make_shape_task(subject)

    answers = subject.answer(Task(task.support, task.labels, task.support, 4), ("direct", "linear_probe"))

    assert _accuracy(answers["linear_probe"]) > _accuracy(answers["direct"]) + 0.1


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 10.0))
def test_a_linear_head_is_where_the_gradient_of_its_loss_vanishes(seed: int, inverse_penalty: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    features, labels = torch.randn(12, 6, generator=generator), torch.arange(12) % 3

    head = fit_linear_head(features, torch.eye(3)[labels], LinearProbe(inverse_penalty, n_iterations=200))

    weight, bias = head._weight.clone().requires_grad_(), head._bias.clone().requires_grad_()
    unit = features / features.norm(dim=1, keepdim=True)
    loss = torch.nn.functional.cross_entropy(unit @ weight.T + bias, labels, reduction="sum")
    (loss + weight.square().sum() / (2 * inverse_penalty)).backward()
    assert weight.grad.abs().max() < 1e-2
    assert bias.grad.abs().max() < 1e-2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"subset_tuning": FineTuning("all")}, 'subset_tuning moves parameters "subset"'),
        ({"full_tuning": FineTuning("subset")}, 'full_tuning "all"'),
    ],
)
def test_a_recipe_that_moves_the_wrong_parameters_is_refused(values: dict[str, FineTuning], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Recipes(**values)


@pytest.mark.parametrize("values", [{"inverse_penalty": 0.0}, {"n_iterations": 0}])
def test_a_probe_without_penalty_or_iterations_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="inverse_penalty must be above 0 and n_iterations at least 1"):
        LinearProbe(**values)
