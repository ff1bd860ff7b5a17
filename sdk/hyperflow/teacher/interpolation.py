"""From stored points of a trajectory to its position and velocity at any time: the targets of flow matching.

HyperFlow (arXiv:2504.15323) trains on linear, piecewise linear and cubic interpolations. Piecewise linear and cubic
keep the points at their own times, which need not be evenly spaced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch

__all__ = ["Interpolation", "OnTrajectory", "Trajectory", "cubic", "interpolate", "linear", "piecewise"]

Interpolation = Literal["linear", "piecewise", "cubic"]


class Trajectory(NamedTuple):
    """Points of one trajectory.

    Attributes:
        points: (T + 1, P), T at least 1.
        times: When each point was reached, rising from 0 to 1, (T + 1,).
    """

    points: torch.Tensor
    times: torch.Tensor


class OnTrajectory(NamedTuple):
    """Position and velocity at some times.

    Attributes:
        position: (B, P).
        velocity: d position / dt, (B, P).
    """

    position: torch.Tensor
    velocity: torch.Tensor


def linear(trajectory: Trajectory, t: torch.Tensor) -> OnTrajectory:
    """Straight from the first point to the last; what lies between is not looked at.

    Args:
        trajectory: Points and times.
        t: In [0, 1], (B,).
    """
    first, last = trajectory.points[0], trajectory.points[-1]
    velocity = last - first
    return OnTrajectory(torch.lerp(first[None], last[None], t[:, None]), velocity.expand(len(t), -1))


def _segment(trajectory: Trajectory, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Segment of each time, its length (B, 1), and the share of it that has passed, (B, 1)."""
    times = trajectory.times
    index = (torch.searchsorted(times, t, right=True) - 1).clamp(0, len(times) - 2)
    length = times[index + 1] - times[index]
    return index, length[:, None], ((t - times[index]) / length)[:, None]


def piecewise(trajectory: Trajectory, t: torch.Tensor) -> OnTrajectory:
    """Straight from point to point; a time on a point counts to the segment after it, t = 1 to the last.

    With evenly spaced times, the share of the segment that has passed is u = tT - floor(tT).

    Args:
        trajectory: Points and times.
        t: In [0, 1], (B,).
    """
    index, length, u = _segment(trajectory, t)
    before, after = trajectory.points[index], trajectory.points[index + 1]
    return OnTrajectory(torch.lerp(before, after, u), (after - before) / length)


def _tangents(trajectory: Trajectory) -> torch.Tensor:
    """Catmull-Rom tangent at every point, (T + 1, P): the slope from the point before to the point after.

    At the ends, where one of the two is missing, the end point stands in for it, and its neighbour's distance for the
    missing distance: with even spacing this is half the slope of the first segment, as if the end point came twice.
    """
    points, times = trajectory.points, trajectory.times
    before = torch.cat([points[:1], points[:-1]])
    after = torch.cat([points[1:], points[-1:]])
    times_before = torch.cat([2 * times[:1] - times[1:2], times[:-1]])
    times_after = torch.cat([times[1:], 2 * times[-1:] - times[-2:-1]])
    return (after - before) / (times_after - times_before)[:, None]


def cubic(trajectory: Trajectory, t: torch.Tensor) -> OnTrajectory:
    """Smooth through all points: a cubic Hermite spline with Catmull-Rom tangents.

    Catmull and Rom, "A class of local interpolating splines" (1974). With evenly spaced times it is the uniform spline
    with both end points doubled; otherwise tangents are slopes over the points' own times. The velocity is continuous.

    Args:
        trajectory: Points and times.
        t: In [0, 1], (B,).
    """
    index, length, u = _segment(trajectory, t)
    p0, p1 = trajectory.points[index], trajectory.points[index + 1]
    tangents = _tangents(trajectory)
    m0, m1 = tangents[index] * length, tangents[index + 1] * length
    rise = p1 - p0
    # Hermite form in u: p0 + m0 u + (3 rise - 2 m0 - m1) u^2 + (m0 + m1 - 2 rise) u^3.
    quadratic, third = 3 * rise - 2 * m0 - m1, m0 + m1 - 2 * rise
    position = p0 + u * (m0 + u * (quadratic + u * third))
    velocity = (m0 + u * (2 * quadratic + 3 * u * third)) / length
    return OnTrajectory(position, velocity)


def interpolate(kind: Interpolation, trajectory: Trajectory, t: torch.Tensor) -> OnTrajectory:
    """Position and velocity at times t (B,) in [0, 1], by the named interpolation.

    Raises:
        ValueError: A time outside [0, 1], or fewer than two points.
    """
    if len(trajectory.points) < 2 or len(trajectory.points) != len(trajectory.times):
        raise ValueError(f"need two or more points, each with a time, got {[len(part) for part in trajectory]}")
    if ((t < 0) | (t > 1)).any():
        raise ValueError(f"t must be in [0, 1], got {t.min().item()} .. {t.max().item()}")
    functions: dict[Interpolation, Callable[[Trajectory, torch.Tensor], OnTrajectory]] = {
        "linear": linear,
        "piecewise": piecewise,
        "cubic": cubic,
    }
    return functions[kind](trajectory, t)
