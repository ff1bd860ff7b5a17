"""Signed distances to simple outlines on the desk plane.

Every function returns a float32 field of shape (H, W): the distance of each pixel to the outline in object units,
negative inside. Objects are about two units long and centred on the origin.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from noise import Field

Point = tuple[float, float]


@dataclass(frozen=True)
class Plane:
    """Where each pixel looks at the desk.

    Attributes:
        u: Coordinate along the object's long axis, float32 of shape (H, W), object units.
        v: Coordinate across it, same shape.
        lean: How far a point one unit above the desk appears shifted on the desk, in object units.
    """

    u: Field
    v: Field
    lean: Point = (0.0, 0.0)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return (self.u.shape[0], self.u.shape[1])

    def moved(self, du: float, dv: float) -> "Plane":
        """Return the plane with its origin at (du, dv)."""
        return Plane(self.u - np.float32(du), self.v - np.float32(dv), self.lean)

    def turned(self, angle: float) -> "Plane":
        """Return the plane with its axes turned by `angle` radians about the origin."""
        cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
        x, y = self.lean
        lean = (float(cos * x + sin * y), float(cos * y - sin * x))
        return Plane(cos * self.u + sin * self.v, cos * self.v - sin * self.u, lean)

    def radius(self) -> Field:
        """Return each pixel's distance to the origin."""
        return np.sqrt(self.u * self.u + self.v * self.v)


def circle(plane: Plane, centre: Point, radius: float) -> Field:
    """Distance to a circle."""
    return plane.moved(*centre).radius() - np.float32(radius)


def ellipse(plane: Plane, centre: Point, half_u: float, half_v: float) -> Field:
    """Approximate distance to an axis-aligned ellipse, exact on the outline itself."""
    u, v = plane.u - np.float32(centre[0]), plane.v - np.float32(centre[1])
    ratio = np.hypot(u / np.float32(half_u), v / np.float32(half_v))
    slope = np.hypot(u / np.float32(half_u**2), v / np.float32(half_v**2))
    distance: Field = ratio * (ratio - 1) / np.maximum(slope, np.float32(1e-6))
    return distance


def box(plane: Plane, centre: Point, half_u: float, half_v: float, corner: float = 0.0) -> Field:
    """Distance to an axis-aligned box whose corners are rounded with radius `corner`."""
    over_u = np.abs(plane.u - np.float32(centre[0])) - np.float32(half_u - corner)
    over_v = np.abs(plane.v - np.float32(centre[1])) - np.float32(half_v - corner)
    outside = np.hypot(np.maximum(over_u, 0), np.maximum(over_v, 0))
    distance: Field = outside + np.minimum(np.maximum(over_u, over_v), 0) - np.float32(corner)
    return distance


def capsule(plane: Plane, start: Point, end: Point, start_radius: float, end_radius: float) -> Field:
    """Approximate distance to a rod with round ends whose radius changes linearly along it."""
    du, dv = end[0] - start[0], end[1] - start[1]
    u, v = plane.u - np.float32(start[0]), plane.v - np.float32(start[1])
    length = max(du * du + dv * dv, 1e-9)
    along: Field = np.clip((u * np.float32(du) + v * np.float32(dv)) / np.float32(length), 0, 1)
    radius = np.float32(start_radius) + along * np.float32(end_radius - start_radius)
    distance: Field = np.hypot(u - along * np.float32(du), v - along * np.float32(dv)) - radius
    return distance


def regular_polygon(plane: Plane, sides: int, apothem: float) -> Field:
    """Distance to a regular polygon about the origin; `apothem` is centre to side."""
    sector = 2 * math.pi / sides
    angle = np.arctan2(plane.v, plane.u)
    folded = np.remainder(angle, np.float32(sector)) - np.float32(sector / 2)
    along: Field = np.cos(folded) * plane.radius()
    return along - np.float32(apothem)


def polygon(plane: Plane, corners: Sequence[Point]) -> Field:
    """Exact distance to a simple polygon given by its corners in order."""
    nearest = np.full(plane.shape, np.float32(1e9), dtype=np.float32)
    inside = np.zeros(plane.shape, dtype=np.bool_)
    for index, (au, av) in enumerate(corners):
        bu, bv = corners[index - 1]
        nearest = np.minimum(nearest, capsule(plane, (au, av), (bu, bv), 0.0, 0.0))
        if av != bv:
            crossing = (plane.v >= np.float32(av)) != (plane.v >= np.float32(bv))
            edge = np.float32(au) + (plane.v - np.float32(av)) * np.float32((bu - au) / (bv - av))
            inside ^= crossing & (plane.u < edge)
    return np.where(inside, -nearest, nearest)


def half_width(plane: Plane, stations: Sequence[Point]) -> Field:
    """Interpolate the half width of a long object from (u, half width) stations with rising u."""
    positions, widths = zip(*stations, strict=True)
    widths_here: Field = np.interp(plane.u, positions, widths).astype(np.float32)
    return widths_here


def spindle(plane: Plane, stations: Sequence[Point]) -> Field:
    """Distance across the axis to a long object given by (u, half width) stations; cut square at both ends."""
    ends = np.maximum(np.float32(stations[0][0]) - plane.u, plane.u - np.float32(stations[-1][0]))
    distance: Field = np.maximum(np.abs(plane.v) - half_width(plane, stations), ends)
    return distance


def union(*distances: Field) -> Field:
    """Join outlines."""
    nearest: Field = np.minimum.reduce(distances)
    return nearest


def blend(first: Field, second: Field, softness: float) -> Field:
    """Join two outlines with a fillet about `softness` units wide."""
    mix = np.clip(np.float32(0.5) + (second - first) / np.float32(2 * softness), 0, 1)
    distance: Field = second + (first - second) * mix - np.float32(softness) * mix * (1 - mix)
    return distance


def without(outline: Field, *holes: Field) -> Field:
    """Cut holes out of an outline."""
    distance: Field = np.maximum.reduce([outline, *(-hole for hole in holes)])
    return distance
