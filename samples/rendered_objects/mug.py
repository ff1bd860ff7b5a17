"""A mug, the one object that stands upright."""

import math
from itertools import pairwise

import numpy as np

import materials
from materials import GLAZE, LACQUER, SATIN, mixed, pick
from noise import Field
from relief import Relief, rounded
from shapes import Plane, Point, capsule, circle, union


def _mug_handle(plane: Plane, radius: float, tall: float) -> Field:
    reach, drop = 0.3, tall * 0.32
    knots: list[Point] = []
    for step in range(8):
        turn = math.pi * (step / 7 - 0.5)
        up = tall * 0.52 + drop * math.sin(turn)
        knots.append((radius - 0.04 + reach * math.cos(turn) + plane.lean[0] * up, plane.lean[1] * up))
    return union(*(capsule(plane, start, end, 0.075, 0.075) for start, end in pairwise(knots)))


def draw_mug(plane: Plane, rng: np.random.Generator) -> Relief:
    """Draw a standing mug seen from above, empty or filled; the plane's lean shows its wall."""
    relief = Relief(plane.shape, rise=0.7)
    tall, rim = rng.uniform(0.75, 1.0), rng.uniform(0.5, 0.55)
    foot = rim * rng.uniform(0.78, 1.0)
    glaze, finish = pick(rng, materials.CERAMICS), (GLAZE, LACQUER, SATIN)[int(rng.integers(3))]
    inside = glaze if rng.random() < 0.4 else pick(rng, ("#f2efe8", "#e9e4d8"))
    # The handle is kept out of the hidden side behind the mug.
    plane = plane.turned(math.atan2(plane.lean[1], plane.lean[0]) + rng.uniform(0.22, 1.78) * math.pi)
    plane = plane.moved(-plane.lean[0] * tall * 0.5 - 0.12, -plane.lean[1] * tall * 0.5)
    top: Point = (plane.lean[0] * tall, plane.lean[1] * tall)
    handle = _mug_handle(plane, rim * 0.95, tall)
    handle_height = rounded(handle, 0.075, 0.1, 0.3)
    wall = capsule(plane, (0.0, 0.0), top, foot, rim)
    slant = max(math.hypot(*top), 1e-6)
    side = (plane.u * np.float32(-top[1]) + plane.v * np.float32(top[0])) / np.float32(slant)
    wall_height = np.float32(0.1) + np.float32(0.8) * np.sqrt(np.clip(np.float32(rim**2) - side**2, 0, None))
    parts = [(handle, handle_height), (wall, wall_height)]
    for distance, height in parts if plane.lean[0] > 0 else reversed(parts):
        relief.add(distance, height, glaze, finish)
    if rng.random() < 0.3:
        belt = plane.moved(top[0] * 0.5, top[1] * 0.5)
        stripe = np.abs(belt.radius() - np.float32((foot + rim) / 2)) - np.float32(0.06)
        near = np.clip(-(belt.u * np.float32(top[0]) + belt.v * np.float32(top[1])) * 30 / np.float32(slant), 0, 1)
        bare = (wall < 0) & ((handle > 0) | (plane.lean[0] > 0))
        relief.tint(np.clip(-stripe * 60, 0, 1) * near * bare, pick(rng, materials.CERAMICS))
    lip = circle(plane, top, rim)
    relief.add(lip, rounded(lip, 0.03, 0.06, 0.9), glaze, finish)
    hole = circle(plane, top, rim - 0.05)
    from_axis = plane.moved(*top).radius() / np.float32(rim)
    gloom = (np.float32(0.35) + np.float32(0.6) * from_axis)[..., None]
    relief.add(hole, from_axis * from_axis * np.float32(0.22) + np.float32(0.4), inside * gloom, SATIN)
    floor = np.maximum(circle(plane, (plane.lean[0] * 0.1, plane.lean[1] * 0.1), foot - 0.1), hole)
    relief.add(floor, np.full(plane.shape, np.float32(0.4)), inside * np.float32(0.42), SATIN)
    level = tall * rng.uniform(0.7, 0.85)
    surface = np.maximum(circle(plane, (plane.lean[0] * level, plane.lean[1] * level), rim - 0.055), hole)
    if rng.random() < 0.75:
        drink = pick(rng, ("#3a2014", "#2a160d", "#7a4a2a", "#9c6238", "#7d8a3a"))
        foam: Field = np.clip(np.float32(0.5) + surface / np.float32(0.1), 0, 0.5)
        relief.add(
            surface, np.full(plane.shape, np.float32(0.6)), mixed(drink, drink * 2 + np.float32(0.03), foam), GLAZE
        )
    return relief
