"""Workshop objects made of metal: bolt, nut, gear, wrench and key."""

import math

import numpy as np

import materials
from materials import BRUSHED, CAST, POLISHED, SATIN, Finish, linear, pick
from noise import Field
from relief import Relief, rounded
from shapes import Plane, blend, box, capsule, circle, half_width, regular_polygon, spindle, union, without


def _metal_finish(rng: np.random.Generator) -> Finish:
    return (POLISHED, BRUSHED, BRUSHED, CAST)[int(rng.integers(4))]


def _hex_prism(plane: Plane, half: float) -> Field:
    """Height of a six-sided bar lying on one face; `half` is centre to upper edge of the side faces."""
    share: Field = np.clip(np.float32(1.62) - np.abs(plane.v) * np.float32(1.24 / half), 0.25, 1)
    return np.float32(half) * share


def draw_bolt(plane: Plane, rng: np.random.Generator) -> Relief:
    """Draw a hexagon-head bolt lying on its side."""
    relief = Relief(plane.shape, rise=0.3)
    metal, finish = pick(rng, materials.METALS + materials.DARK_STEELS), _metal_finish(rng)
    radius, pitch = rng.uniform(0.13, 0.19), rng.uniform(0.06, 0.085)
    plain = rng.uniform(-0.4, 0.05)
    stations = [(-0.5, radius), (0.82, radius), (0.9, radius * 0.78)]
    ridge: Field = np.abs(np.remainder(plane.u / np.float32(pitch) + plane.v * 1.2, 1) * 2 - 1)
    ridge = np.where(plane.u > np.float32(plain), ridge, np.float32(0.6))
    width = half_width(plane, stations)
    shank = spindle(plane, stations) + ridge * np.float32(0.022)
    across = np.sqrt(np.clip(width**2 - plane.v**2, 0, None)) + (1 - ridge) * np.float32(0.03)
    relief.add(shank, across + np.float32(0.08), metal, finish)
    if rng.random() < 0.5:
        flange = spindle(plane, [(-0.56, radius * 2.35), (-0.5, radius * 2.35)])
        relief.add(flange, rounded(flange, 0.03, 0.3), metal, finish)
    half = radius * rng.uniform(1.8, 2.0)
    head = box(plane, (-0.7, 0.0), 0.15 + radius * 0.2, half, 0.05)
    height = np.minimum(_hex_prism(plane, half), rounded(head, 0.08, half))
    relief.add(head, height, metal, finish)
    return relief


def draw_nut(plane: Plane, rng: np.random.Generator) -> Relief:
    """Draw a hexagon nut lying flat."""
    relief = Relief(plane.shape, rise=0.3)
    metal, finish = pick(rng, materials.METALS + materials.DARK_STEELS), _metal_finish(rng)
    bore = rng.uniform(0.32, 0.42)
    hexagon = regular_polygon(plane, 6, 0.72)
    chamfer = circle(plane, (0.0, 0.0), 0.79)
    if rng.random() < 0.35:
        collar = without(circle(plane, (0.0, 0.0), 0.92), circle(plane, (0.0, 0.0), bore))
        relief.add(collar, rounded(collar, 0.05, 0.06), metal, finish)
    outline = without(np.maximum(hexagon, circle(plane, (0.0, 0.0), 0.815)), circle(plane, (0.0, 0.0), bore))
    slope = np.clip((chamfer + np.float32(0.06)) * 1.2, 0, None)
    relief.add(outline, rounded(outline, 0.05, 0.26) - slope, metal, finish)
    radius = plane.radius()
    turn = np.arctan2(plane.v, plane.u) / np.float32(2 * math.pi)
    thread = np.abs(np.remainder(radius * 16 + turn, 1) * 2 - 1) * np.float32(0.02)
    wall = np.maximum(radius - np.float32(bore), np.float32(bore - 0.1) - radius)
    depth = np.float32(0.2) + (radius - np.float32(bore)) * np.float32(1.3) + thread
    relief.add(wall, depth, metal * np.float32(0.55), finish)
    return relief


def draw_gear(plane: Plane, rng: np.random.Generator) -> Relief:
    """Draw a spur gear lying flat."""
    relief = Relief(plane.shape, rise=0.24)
    brightness, finish = pick(rng, materials.METALS + materials.DARK_STEELS), _metal_finish(rng)
    if rng.random() < 0.2:
        brightness, finish = pick(rng, materials.PAINTS), SATIN
    teeth, depth = int(rng.integers(11, 21)), rng.uniform(0.15, 0.2)
    radius, angle = plane.radius(), np.arctan2(plane.v, plane.u)
    wave = np.cos(angle * np.float32(teeth))
    tooth = np.clip(wave * np.float32(1.5) + np.float32(0.5), 0, 1)
    outline = (radius - np.float32(0.92 - depth) - tooth * np.float32(depth)) * np.float32(0.75)
    bore = circle(plane, (0.0, 0.0), 0.15)
    keyway = box(plane, (0.15, 0.0), 0.07, 0.045)
    holes = [bore, keyway]
    style = int(rng.integers(3))
    if style:
        count = int(rng.integers(4, 7))
        sector = 2 * math.pi / count
        folded = np.remainder(angle, np.float32(sector)) - np.float32(sector / 2)
        spoke = Plane(radius * np.cos(folded), radius * np.sin(folded))
        if style == 1:
            holes.append(circle(spoke, (0.44, 0.0), 0.125))
        else:
            edge = radius * np.sin(np.float32(sector / 2) - np.abs(folded))
            holes.append(np.maximum.reduce([radius - np.float32(0.58), np.float32(0.33) - radius, 0.06 - edge]))
    disc = without(outline, *holes)
    height = rounded(disc, 0.035, 0.16)
    recess = np.maximum(radius - np.float32(0.64), np.float32(0.27) - radius)
    height -= np.clip(-recess / np.float32(0.03), 0, 1) * np.float32(0.045)
    relief.add(disc, height, brightness, finish)
    return relief


def draw_wrench(plane: Plane, rng: np.random.Generator) -> Relief:
    """Draw a combination wrench: one open end, one ring end."""
    relief = Relief(plane.shape, rise=0.14)
    metal, finish = pick(rng, (*materials.STEELS, "#6d7178")), (POLISHED, BRUSHED)[int(rng.integers(2))]
    neck, jaw = rng.uniform(0.075, 0.1), rng.uniform(0.25, 0.29)
    handle = capsule(plane, (-0.55, 0.0), (0.65, 0.0), neck * 1.15, neck)
    opening = plane.moved(-0.74, 0.0).turned(rng.choice([-1.0, 1.0]) * 0.26)
    ring = circle(plane, (0.74, 0.0), 0.2)
    outline = blend(blend(handle, circle(plane, (-0.7, 0.0), jaw), 0.12), ring, 0.1)
    mouth = box(opening, (-0.2, 0.0), 0.3, jaw * 0.46, 0.04)
    socket = regular_polygon(plane.moved(0.74, 0.0), 12, 0.118)
    outline = without(outline, mouth, socket)
    height = rounded(outline, 0.05, 0.12)
    panel = box(plane, (0.02, 0.0), 0.42, neck * 0.55, neck * 0.4)
    height -= np.clip(-panel / np.float32(0.015), 0, 1) * np.float32(0.02)
    relief.add(outline, height, metal, finish)
    if rng.random() < 0.3:
        paint = pick(rng, materials.PAINTS)
        relief.tint(np.clip(-panel / np.float32(0.01), 0, 1) * np.float32(0.8), paint)
    return relief


def draw_key(plane: Plane, rng: np.random.Generator) -> Relief:
    """Draw a door key."""
    relief = Relief(plane.shape, rise=0.08)
    metal, finish = pick(rng, materials.METALS), (POLISHED, BRUSHED)[int(rng.integers(2))]
    width = rng.uniform(0.12, 0.15)
    cuts = [(-0.2, width), (0.05, width)]
    cuts += [(0.05 + 0.11 * step + 0.055, width * rng.uniform(-0.1, 0.75)) for step in range(7)]
    edge = half_width(plane, [*cuts, (0.93, -width)])
    blade = np.maximum.reduce([-plane.v - np.float32(width), plane.v - edge, plane.u - np.float32(0.95)])
    point = (np.abs(plane.v) + plane.u - np.float32(0.97)) * np.float32(0.7)
    blade = np.maximum.reduce([blade, point, np.float32(-0.3) - plane.u])
    head = plane.moved(-0.58, 0.0)
    style = int(rng.integers(3))
    if style == 0:
        bow = circle(head, (0.0, 0.0), 0.37)
    elif style == 1:
        bow = box(head, (0.0, 0.0), 0.3, 0.38, 0.14)
    else:
        bow = blend(circle(head, (-0.14, 0.0), 0.25), capsule(head, (0.05, -0.16), (0.05, 0.16), 0.23, 0.23), 0.1)
    hole = capsule(head, (-0.18, -0.07), (-0.18, 0.07), 0.07, 0.07)
    shoulder = box(plane, (-0.2, 0.0), 0.07, width + 0.04, 0.02)
    outline = without(blend(union(blade, shoulder), bow, 0.04), hole)
    height = rounded(outline, 0.03, 0.07)
    groove = box(plane, (0.3, -width * 0.35), 0.55, 0.022, 0.01)
    height -= np.clip(-groove / np.float32(0.012), 0, 1) * np.float32(0.025)
    relief.add(outline, height, metal, finish)
    if rng.random() < 0.4:
        cap = without(bow - np.float32(0.02), hole)
        relief.add(cap, rounded(cap, 0.08, 0.08, 0.05), pick(rng, materials.PAINTS), SATIN)
        return relief
    stamp = np.abs(bow + np.float32(0.07)) - np.float32(0.012)
    relief.tint(np.clip(-stamp / np.float32(0.01), 0, 1) * np.float32(0.45), linear("#4a4034"))
    return relief
