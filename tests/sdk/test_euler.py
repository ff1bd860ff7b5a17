"""Explicit Euler: closed forms, a plain numpy loop, and the step size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hyperflow.drift.euler import Velocity
from hyperflow.drift.euler import integrate as follow


def integrate(
    velocity: Velocity, start: torch.Tensor, *, n_steps: int, step_size: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The end and the lengths; every path starts at its start and has as many steps as were asked for."""
    path = follow(velocity, start, n_steps=n_steps, step_size=step_size)
    assert torch.equal(path.states[0], start)
    assert len(path.states) == n_steps + 1
    return path.states[-1], path.lengths


@pytest.mark.parametrize("n_steps", [1, 2, 3, 7, 64])
def test_a_constant_field_is_integrated_exactly(n_steps: int) -> None:
    start, velocity = torch.tensor([[1.0, -2.0, 0.5]]), torch.tensor([[0.5, 0.25, -1.0]])

    end, lengths = integrate(lambda state, t: velocity, start, n_steps=n_steps, step_size=torch.tensor(0.5))

    torch.testing.assert_close(end, start + n_steps * 0.5 * velocity, rtol=0, atol=0)
    torch.testing.assert_close(lengths, torch.full((n_steps,), 0.5 * velocity.norm().item()))


@pytest.mark.parametrize("n_steps", [1, 2, 4, 10])
@pytest.mark.parametrize("step_size", [1.0, 0.3])
def test_time_is_taken_at_the_left_end_of_each_step(n_steps: int, step_size: float) -> None:
    times: list[float] = []

    def field(state: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        assert t.shape == (1, 1)
        times.append(t.item())
        return t.expand_as(state)

    end, _ = integrate(field, torch.zeros(1, 2), n_steps=n_steps, step_size=torch.tensor(step_size))

    assert times == pytest.approx([k / n_steps for k in range(n_steps)])
    assert end.tolist()[0] == pytest.approx([step_size * (n_steps - 1) / 2] * 2)  # h * (0 + 1 + .. + K-1) / K


@pytest.mark.parametrize("n_steps", [1, 3, 8])
def test_a_linear_field_gives_what_a_plain_loop_gives(n_steps: int) -> None:
    rng = np.random.default_rng(n_steps)
    matrix, drive, start = rng.normal(size=(4, 4)) * 0.3, rng.normal(size=4), rng.normal(size=(1, 4))
    step_size, lengths, state = 0.7, [], start
    for k in range(n_steps):
        step = step_size * (state @ matrix + drive * k / n_steps)
        lengths.append(np.sqrt((step**2).sum()))
        state = state + step

    torch_matrix, torch_drive = torch.from_numpy(matrix), torch.from_numpy(drive)
    end, torch_lengths = integrate(
        lambda x, t: x @ torch_matrix + torch_drive * t.double(),
        torch.from_numpy(start),
        n_steps=n_steps,
        step_size=torch.tensor(step_size, dtype=torch.float64),
    )

    np.testing.assert_allclose(end.numpy(), state, rtol=1e-6)
    np.testing.assert_allclose(torch_lengths.numpy(), lengths, rtol=1e-6)


def test_a_step_size_of_zero_leaves_the_state_where_it_is() -> None:
    start = torch.randn(1, 5)

    end, lengths = integrate(lambda x, t: x.exp() + t, start, n_steps=4, step_size=torch.zeros(()))

    assert torch.equal(end, start)
    assert lengths.tolist() == [0.0] * 4


def test_the_start_is_not_changed() -> None:
    start = torch.ones(1, 3)

    integrate(lambda x, t: x, start, n_steps=3, step_size=torch.ones(()))

    assert torch.equal(start, torch.ones(1, 3))


@pytest.mark.parametrize("n_steps", [0, -1])
def test_fewer_than_one_step_is_refused(n_steps: int) -> None:
    with pytest.raises(ValueError, match=f"n_steps must be at least 1, got {n_steps}"):
        integrate(lambda x, t: x, torch.zeros(1, 1), n_steps=n_steps, step_size=torch.ones(()))


def test_the_gradient_of_the_end_reaches_the_parameters_of_the_field() -> None:
    rate = torch.tensor(0.1, requires_grad=True)

    end, _ = integrate(lambda x, t: rate * x, torch.ones(1, 1), n_steps=3, step_size=torch.ones(()))
    (gradient,) = torch.autograd.grad(end.sum(), rate)

    assert gradient.item() == pytest.approx(3 * 1.1**2)  # d/dr (1 + r)^3
