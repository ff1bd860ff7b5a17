"""Fine-tuning: it learns, touches nothing, can be replayed, and says where it failed."""

from __future__ import annotations

import pytest
import torch

from hyperflow.errors import ConfigError, TrainingError
from hyperflow.model import HyperFlow
from hyperflow.teacher import descent
from hyperflow.teacher.descent import StepReport
from hyperflow.teacher.fine_tuning import FineTuned, FineTuning, fine_tune
from hyperflow.teacher.tunable import TunedParameters, tunable_of

PARAMETERS = pytest.mark.parametrize(("parameters", "rate"), [("subset", 0.02), ("all", 2e-3)])


@pytest.fixture
def support() -> torch.Tensor:
    """Three classes of four noisy images; each class has its own colour."""
    colours = torch.eye(3).repeat_interleave(4, dim=0)
    return colours[:, :, None, None] * 0.3 + torch.randn(12, 3, 32, 32, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def onehot() -> torch.Tensor:
    return torch.eye(3).repeat_interleave(4, dim=0)


def _tuned(model: HyperFlow, support: torch.Tensor, onehot: torch.Tensor, seed: int = 0, **recipe: object) -> FineTuned:
    generator = torch.Generator().manual_seed(seed)
    config = FineTuning(**recipe)  # type: ignore[arg-type]
    return fine_tune(model, support, onehot, config, generator=generator, checkpoints=range(config.n_steps + 1))


@PARAMETERS
def test_fine_tuning_lowers_the_loss(
    tiny_model: HyperFlow, support: torch.Tensor, onehot: torch.Tensor, parameters: TunedParameters, rate: float
) -> None:
    tuned = _tuned(tiny_model, support, onehot, parameters=parameters, learning_rate=rate, n_steps=25, augmentation=0.0)

    losses = [report.loss for report in tuned.reports]
    assert [report.step for report in tuned.reports] == list(range(25))
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    assert all(0 <= report.accuracy <= 1 for report in tuned.reports)


@PARAMETERS
def test_the_model_is_left_as_it_was(
    tiny_model: HyperFlow, support: torch.Tensor, onehot: torch.Tensor, parameters: TunedParameters, rate: float
) -> None:
    before = {name: tensor.clone() for name, tensor in tiny_model.state_dict().items()}
    features = tiny_model.encode(support)

    tuned = _tuned(tiny_model, support, onehot, parameters=parameters, learning_rate=rate, n_steps=3)

    assert all(torch.equal(before[name], tensor) for name, tensor in tiny_model.state_dict().items())
    assert not any(p.requires_grad or p.grad is not None for p in tiny_model.backbone.parameters())
    assert not torch.allclose(tuned.encode(support), features)
    torch.testing.assert_close(tuned.at(0).encode(support), features)


@PARAMETERS
def test_the_same_generator_gives_the_same_bits_even_where_gradients_are_off(
    tiny_model: HyperFlow, support: torch.Tensor, onehot: torch.Tensor, parameters: TunedParameters, rate: float
) -> None:
    first = _tuned(tiny_model, support, onehot, parameters=parameters, learning_rate=rate, n_steps=4)
    with torch.no_grad():
        second = _tuned(tiny_model, support, onehot, parameters=parameters, learning_rate=rate, n_steps=4)
    other = _tuned(tiny_model, support, onehot, seed=1, parameters=parameters, learning_rate=rate, n_steps=4)

    assert torch.equal(first.theta, second.theta)
    assert not torch.equal(first.theta, other.theta)
    assert not first.theta.requires_grad


def test_tuned_theta_is_what_the_backbone_takes(
    tiny_model: HyperFlow, support: torch.Tensor, onehot: torch.Tensor
) -> None:
    tuned = _tuned(tiny_model, support, onehot, n_steps=3, learning_rate=0.02)

    assert tuned.theta.shape == tiny_model.backbone.theta_0.shape
    torch.testing.assert_close(tuned.encode(support), tiny_model.encode(support, tuned.theta))


def test_the_first_step_of_adam_has_the_length_of_the_rate_in_every_layers_own_unit(
    tiny_model: HyperFlow, support: torch.Tensor, onehot: torch.Tensor
) -> None:
    backbone = tiny_model.backbone
    tuned = _tuned(tiny_model, support, onehot, n_steps=1, learning_rate=0.01)

    change = ((tuned.theta - backbone.theta_0) / backbone.units).abs()
    moved = change > 1e-4  # a channel that ReLU cuts off has no gradient
    assert moved.float().mean() > 0.5
    torch.testing.assert_close(change[moved].median(), torch.tensor(0.01), rtol=1e-2, atol=0)


@PARAMETERS
def test_a_checkpoint_is_where_a_shorter_run_ends(
    tiny_model: HyperFlow, support: torch.Tensor, onehot: torch.Tensor, parameters: TunedParameters, rate: float
) -> None:
    long = _tuned(tiny_model, support, onehot, parameters=parameters, learning_rate=rate, n_steps=6)
    short = _tuned(tiny_model, support, onehot, parameters=parameters, learning_rate=rate, n_steps=4)

    assert sorted(long.checkpoints) == list(range(7))
    assert torch.equal(long.at(4).theta, short.theta)
    assert long.at(4).reports == short.reports
    assert torch.equal(long.checkpoints[6], long.theta)


@pytest.mark.parametrize("recipe", [{"n_steps": 0}, {"learning_rate": 0.0}])
@PARAMETERS
def test_no_steps_or_no_rate_do_nothing(
    tiny_model: HyperFlow, support: torch.Tensor, onehot: torch.Tensor, parameters: TunedParameters, rate: float,
    recipe: dict[str, float],
) -> None:  # fmt: skip
    tuned = _tuned(tiny_model, support, onehot, **{"parameters": parameters, "learning_rate": rate, **recipe})

    assert torch.equal(tuned.theta, tunable_of(tiny_model, parameters).start)
    assert tuned.reports == ()
    assert all(torch.equal(theta, tuned.theta) for theta in tuned.checkpoints.values())


def test_a_start_is_where_tuning_starts(tiny_model: HyperFlow, support: torch.Tensor, onehot: torch.Tensor) -> None:
    start = tiny_model.backbone.theta_0 * 1.1

    tuned = fine_tune(
        tiny_model, support, onehot, FineTuning(n_steps=2), generator=torch.Generator(), start=start, checkpoints=[0]
    )

    torch.testing.assert_close(tuned.checkpoints[0], start)
    assert not torch.equal(tuned.theta, start)


def test_a_support_above_one_chunk_gives_the_same_gradient(
    tiny_model: HyperFlow, support: torch.Tensor, onehot: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _tuned(tiny_model, support, onehot, n_steps=3, learning_rate=0.01)
    monkeypatch.setattr(descent, "_CHUNK", 5)
    in_chunks = _tuned(tiny_model, support, onehot, n_steps=3, learning_rate=0.01)

    assert [a.loss for a in in_chunks.reports] == pytest.approx([b.loss for b in whole.reports], rel=1e-4)
    torch.testing.assert_close(in_chunks.theta, whole.theta, rtol=1e-3, atol=1e-4)


def test_every_step_is_reported_as_it_happens(
    tiny_model: HyperFlow, support: torch.Tensor, onehot: torch.Tensor
) -> None:
    told: list[StepReport] = []

    tuned = fine_tune(
        tiny_model, support, onehot, FineTuning(n_steps=3), generator=torch.Generator(), on_step=told.append
    )

    assert tuple(told) == tuned.reports


@pytest.mark.filterwarnings("error")
def test_a_loss_that_is_not_finite_names_its_step(
    tiny_model: HyperFlow, support: torch.Tensor, onehot: torch.Tensor
) -> None:
    support[0, 0, 0, 0] = float("nan")

    with pytest.raises(TrainingError, match=r"step 0: loss nan .* not finite; lower the learning rate, now 0.003"):
        _tuned(tiny_model, support, onehot)


def test_an_update_that_runs_away_names_its_step(
    tiny_model: HyperFlow, support: torch.Tensor, onehot: torch.Tensor
) -> None:
    with pytest.raises(TrainingError, match=r"step \d+: .* lower the learning rate, now 1e\+30"):
        _tuned(tiny_model, support, onehot, learning_rate=1e30)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_steps": -1}, "at least 0"),
        ({"learning_rate": -0.1}, "at least 0"),
        ({"augmentation": 1.5}, r"in \[0, 1\], got 1.5"),
        ({"logit_scale": 0.0}, "above 0, got 0.0"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FineTuning(**values)  # type: ignore[arg-type]
