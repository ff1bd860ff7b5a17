"""Interpolation of trajectories, against closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyperflow.teacher.interpolation import OnTrajectory, Trajectory, cubic, interpolate, linear, piecewise

Function = Callable[[Trajectory, torch.Tensor], OnTrajectory]
FUNCTIONS = pytest.mark.parametrize("function", [linear, piecewise, cubic])
THROUGH_ALL = pytest.mark.parametrize("function", [piecewise, cubic])


@st.composite
def trajectories(draw: st.DrawFn) -> Trajectory:
    """Two to seven points in three dimensions at times that rise unevenly from 0 to 1, in float64."""
    n = draw(st.integers(2, 7))
    values = draw(st.lists(st.floats(-3, 3), min_size=3 * n, max_size=3 * n))
    gaps = draw(st.lists(st.floats(0.2, 1.0), min_size=n - 1, max_size=n - 1))
    times = torch.tensor([0.0, *gaps], dtype=torch.float64).cumsum(0)
    times = times / times[-1]
    return Trajectory(torch.tensor(values, dtype=torch.float64).view(n, 3), times)


def _even(points: list[list[float]]) -> Trajectory:
    table = torch.tensor(points, dtype=torch.float64)
    return Trajectory(table, torch.linspace(0, 1, len(table), dtype=torch.float64))


def _at(*times: float) -> torch.Tensor:
    return torch.tensor(times, dtype=torch.float64)


@FUNCTIONS
@given(trajectory=trajectories())
def test_every_interpolation_starts_at_the_first_point_and_ends_at_the_last(
    function: Function, trajectory: Trajectory
) -> None:
    position, _ = function(trajectory, _at(0.0, 1.0))

    torch.testing.assert_close(position, trajectory.points[[0, -1]])


@THROUGH_ALL
@given(trajectory=trajectories())
def test_every_point_is_passed_at_its_own_time(function: Function, trajectory: Trajectory) -> None:
    torch.testing.assert_close(function(trajectory, trajectory.times).position, trajectory.points)


@FUNCTIONS
@given(trajectory=trajectories(), t=st.floats(0.01, 0.99))
def test_velocity_is_the_derivative_of_the_position(function: Function, trajectory: Trajectory, t: float) -> None:
    step = 1e-6
    # A straight piece has no derivative at its ends.
    if (trajectory.times - t).abs().min() < 10 * step:
        return
    after, before = function(trajectory, _at(t + step)).position, function(trajectory, _at(t - step)).position

    torch.testing.assert_close(
        function(trajectory, _at(t)).velocity, (after - before) / (2 * step), rtol=1e-5, atol=1e-6
    )


@given(trajectory=trajectories(), t=st.floats(0, 1))
def test_linear_velocity_is_the_whole_way_at_any_time(trajectory: Trajectory, t: float) -> None:
    assert torch.equal(linear(trajectory, _at(t)).velocity[0], trajectory.points[-1] - trajectory.points[0])


def test_linear_looks_at_the_end_points_alone() -> None:
    position, _ = linear(_even([[0.0], [100.0], [4.0]]), _at(0.25, 0.5))

    assert position.tolist() == [[1.0], [2.0]]


def test_piecewise_uses_the_share_of_the_segment_and_not_of_the_whole() -> None:
    trajectory = _even([[0.0], [8.0], [4.0], [5.0], [7.0]])
    t = 0.3125  # tT = 1.25: a quarter of the second segment

    position, velocity = piecewise(trajectory, _at(t))

    share = 4 * t - math.floor(4 * t)
    assert position.item() == pytest.approx(8.0 + share * (4.0 - 8.0)) == 7.0
    assert velocity.item() == pytest.approx(4 * (4.0 - 8.0))


def test_piecewise_on_a_point_moves_as_the_segment_after_it_and_at_the_end_as_the_last() -> None:
    velocity = piecewise(_even([[0.0], [1.0], [5.0]]), _at(0.0, 0.5, 1.0)).velocity

    assert velocity.tolist() == [[2.0], [8.0], [8.0]]


def test_cubic_is_the_uniform_catmull_rom_spline_with_doubled_ends() -> None:
    values = [0.0, 2.0, -1.0, 3.0, 3.5]
    doubled = [values[0], *values, values[-1]]
    n_segments = len(values) - 1
    times = torch.linspace(0, 1, 33, dtype=torch.float64)
    expected_positions, expected_velocities = [], []
    for t in times.tolist():
        i = min(int(t * n_segments), n_segments - 1)
        u = t * n_segments - i
        a, b, c, d = doubled[i : i + 4]
        k1, k2, k3 = c - a, 2 * a - 5 * b + 4 * c - d, 3 * b - 3 * c + d - a
        expected_positions.append(0.5 * (2 * b + k1 * u + k2 * u**2 + k3 * u**3))
        expected_velocities.append(n_segments * 0.5 * (k1 + 2 * k2 * u + 3 * k3 * u**2))

    position, velocity = cubic(_even([[value] for value in values]), times)

    torch.testing.assert_close(position[:, 0], torch.tensor(expected_positions, dtype=torch.float64))
    torch.testing.assert_close(velocity[:, 0], torch.tensor(expected_velocities, dtype=torch.float64))


@given(trajectory=trajectories())
def test_cubic_velocity_does_not_jump_at_a_point(trajectory: Trajectory) -> None:
    inner = trajectory.times[1:-1]
    before, after = cubic(trajectory, inner - 1e-9).velocity, cubic(trajectory, inner + 1e-9).velocity

    torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-4)


def test_cubic_keeps_a_steady_motion_steady_whatever_the_spacing_inside() -> None:
    times = _at(0.0, 0.1, 0.4, 0.5, 1.0)
    trajectory = Trajectory(3 * times[:, None], times)

    velocity = cubic(trajectory, _at(0.1, 0.2, 0.3, 0.45, 0.5)).velocity

    torch.testing.assert_close(velocity, torch.full((5, 1), 3.0, dtype=torch.float64))


@pytest.mark.parametrize("function", [linear, piecewise, cubic])
def test_the_name_chooses_the_function(function: Function) -> None:
    trajectory, t = _even([[0.0], [3.0], [4.0]]), _at(0.2, 0.8)

    named = interpolate(function.__name__, trajectory, t)  # type: ignore[arg-type]

    assert torch.equal(named.position, function(trajectory, t).position)
    assert torch.equal(named.velocity, function(trajectory, t).velocity)


@pytest.mark.parametrize("t", [-0.1, 1.1])
def test_a_time_outside_the_trajectory_is_refused(t: float) -> None:
    with pytest.raises(ValueError, match=r"t must be in \[0, 1\]"):
        interpolate("linear", _even([[0.0], [1.0]]), _at(0.5, t))


def test_one_point_is_no_trajectory() -> None:
    with pytest.raises(ValueError, match="two or more points"):
        interpolate("cubic", _even([[0.0]]), _at(0.5))
