"""Flat objects from the desk and the kitchen: pencil, scissors, spoon and leaf."""

import math

import numpy as np

import materials
from materials import BRUSHED, LACQUER, MATTE, POLISHED, RUBBER, SATIN, linear, mixed, pick
from noise import smooth_noise
from relief import Relief, rounded
from shapes import Plane, Point, blend, box, capsule, circle, ellipse, half_width, polygon, spindle, union, without


def draw_pencil(plane: Plane, rng: np.random.Generator) -> Relief:
    """Draw a sharpened hexagonal pencil, with or without an eraser."""
    relief = Relief(plane.shape, rise=0.2)
    radius, tip = rng.uniform(0.085, 0.11), 0.98
    cone = rng.uniform(0.28, 0.4)
    paint = pick(rng, materials.PAINTS)
    stations = [(-0.98, radius), (tip - cone, radius), (tip - 0.02, 0.012), (tip, 0.004)]
    width = half_width(plane, stations)
    tube = np.sqrt(np.clip(width**2 - plane.v**2, 0, None)) + width
    body = spindle(plane, stations)
    relief.add(body, tube, pick(rng, ("#dcb98a", "#cfa673")), MATTE)
    lead = pick(rng, ("#2b2b2f", "#2b2b2f", "#c8372d", "#2b6cb0", "#3f8f4f"))
    relief.add(np.maximum(body, np.float32(tip - cone * 0.3) - plane.u), tube, lead, SATIN)
    across = plane.v / np.float32(radius)
    facet = np.round(across * np.float32(1.5))
    scallop = np.cos((across * np.float32(1.5) - facet) * np.float32(2 * math.pi)) * np.float32(0.03)
    hexagon = np.float32(radius) * (np.float32(1.9) - np.abs(facet) * (np.abs(across) - np.float32(0.33)))
    shaft = np.maximum(body, plane.u - np.float32(tip - cone - 0.01) + scallop)
    relief.add(shaft, hexagon, paint, LACQUER)
    if rng.random() < 0.65:
        ferrule = box(plane, (-0.8, 0.0), 0.1, radius * 1.04)
        ripple = np.cos(plane.u * np.float32(170)) * np.float32(0.008)
        relief.add(ferrule, tube + ripple, pick(rng, ("#d8dade", "#d3b878", "#3f8f4f")), POLISHED)
        eraser = box(plane, (-0.925, 0.0), 0.05, radius * 0.98, 0.03)
        relief.add(
            eraser, np.minimum(tube, rounded(eraser, 0.06, radius * 2)), pick(rng, ("#e08a8f", "#f0eee6")), RUBBER
        )
    else:
        relief.add(np.maximum(body, plane.u + np.float32(0.86)), hexagon, pick(rng, ("#d8b878", "#e8e4da")), LACQUER)
    return relief


def _add_scissor_half(
    relief: Relief, plane: Plane, side: float, paint: materials.Colour, steel: materials.Colour
) -> None:
    """Add a blade that points along +u and the handle loop behind it, on the side given by the sign of `side`."""
    blade = polygon(
        plane,
        [
            (-0.3, -0.06),
            (0.1, -0.085),
            (0.62, -0.075),
            (0.97, 0.02 * side),
            (0.95, 0.03 * side),
            (0.1, 0.075),
            (-0.3, 0.06),
        ],
    )
    relief.add(blade, rounded(blade, 0.06, 0.05, 0.02), steel, BRUSHED)
    loop = plane.moved(-0.66, -0.2 * side).turned(-0.25 * side)
    outer = ellipse(loop, (0.0, 0.0), 0.3, 0.21)
    stem = capsule(plane, (-0.12, 0.0), (-0.42, -0.08 * side), 0.075, 0.085)
    handle = without(blend(stem, outer, 0.06), ellipse(loop, (-0.01, 0.0), 0.205, 0.12))
    relief.add(handle, rounded(handle, 0.085, 0.12, 0.02), paint, SATIN)


def draw_scissors(plane: Plane, rng: np.random.Generator) -> Relief:
    """Draw a pair of scissors, more or less open."""
    relief = Relief(plane.shape, rise=0.14)
    paint, steel = pick(rng, materials.PAINTS), pick(rng, materials.STEELS)
    opening = rng.uniform(0.08, 0.34)
    for side in (-1.0, 1.0):
        half = plane.turned(side * opening / 2 * -1.0)
        _add_scissor_half(relief, half, -side, paint, steel)
    screw = circle(plane, (0.0, 0.0), 0.05)
    slot = box(plane.turned(rng.uniform(0, math.pi)), (0.0, 0.0), 0.04, 0.009)
    height = rounded(screw, 0.03, 0.04, 0.08) - np.clip(-slot / np.float32(0.01), 0, 1) * np.float32(0.03)
    relief.add(screw, height, pick(rng, materials.METALS), POLISHED)
    return relief


def draw_spoon(plane: Plane, rng: np.random.Generator) -> Relief:
    """Draw a spoon of steel, brass or wood, bowl up."""
    relief = Relief(plane.shape, rise=0.16)
    wooden = rng.random() < 0.25
    length, width = rng.uniform(0.29, 0.34), rng.uniform(0.19, 0.235)
    centre: Point = (0.98 - length, 0.0)
    bowl = ellipse(plane, centre, length, width)
    end = rng.uniform(0.065, 0.1)
    handle = union(
        capsule(plane, (-0.9, 0.0), (-0.1, 0.0), end, 0.038),
        capsule(plane, (-0.1, 0.0), (0.6, 0.0), 0.038, 0.045),
    )
    outline = blend(handle, bowl, 0.07)
    height = rounded(outline, 0.04, 0.08, 0.02)
    ratio = np.hypot((plane.u - np.float32(centre[0])) / np.float32(length - 0.02), plane.v / np.float32(width - 0.02))
    height -= np.float32(0.2) * np.clip(1 - ratio * ratio, 0, 1)
    if wooden:
        timber = pick(rng, materials.TIMBERS)
        streaks = smooth_noise(rng, plane.shape, (9, 9))
        grain = np.sin(plane.v * np.float32(75) + streaks * 3) * np.float32(0.5) + np.float32(0.5)
        relief.add(outline, height, mixed(timber, timber * np.float32(0.72), grain), MATTE)
        return relief
    metal = pick(rng, ("#dcdee2", "#c8ccd2", "#d3b878"))
    relief.add(outline, height, metal, POLISHED)
    if rng.random() < 0.5:
        line = np.abs(capsule(plane, (-0.86, 0.0), (-0.45, 0.0), end * 0.55, 0.02)) - np.float32(0.008)
        relief.tint(np.clip(-line / np.float32(0.006), 0, 1) * np.float32(0.5), metal * np.float32(0.3))
    return relief


def draw_leaf(plane: Plane, rng: np.random.Generator) -> Relief:
    """Draw a veined leaf with a stem, green to autumnal, smooth or serrated."""
    relief = Relief(plane.shape, rise=0.09)
    bend = rng.uniform(-0.22, 0.22)
    bent = Plane(plane.u, plane.v - np.float32(bend) * (plane.u**2 - np.float32(0.3)), plane.lean)
    broad, peak = rng.uniform(0.34, 0.5), rng.uniform(0.8, 1.3)
    along = np.clip((bent.u + np.float32(0.6)) / np.float32(1.55), 0, 1)
    width = np.float32(broad) * np.clip(
        np.sin(np.float32(math.pi) * along ** np.float32(peak * 0.75)), 0, 1
    ) ** np.float32(0.9)
    if rng.random() < 0.5:
        count = rng.uniform(13, 19)
        width += (
            (np.remainder(along * np.float32(count), 1) - np.float32(0.6))
            * np.float32(-0.045)
            * np.sin(np.float32(math.pi) * along)
        )
    blade = (np.abs(bent.v) - width) * np.float32(0.85)
    blade = np.maximum.reduce([blade, np.float32(-0.6) - bent.u, bent.u - np.float32(0.95)])
    slant = rng.uniform(0.55, 0.8)
    phase = (bent.u - np.abs(bent.v) * np.float32(slant)) * np.float32(rng.uniform(4.6, 6.6))
    vein_offset = np.abs(np.remainder(phase, 1) - np.float32(0.5))
    vein = np.clip(1 - vein_offset / np.float32(0.075), 0, 1) * np.clip(1 - np.abs(bent.v) * 1.6, 0.15, 1)
    midrib = np.clip(1 - np.abs(bent.v) / (np.float32(0.026) - bent.u * np.float32(0.014)), 0, 1)
    veins = np.maximum(vein * np.float32(0.6), midrib)
    puff = np.sin(vein_offset * np.float32(2 * math.pi)) * np.float32(0.008)
    curl = np.float32(rng.uniform(-0.12, 0.2)) * np.abs(bent.v) + smooth_noise(rng, plane.shape, (7, 7)) * np.float32(
        0.02
    )
    green, second = pick(rng, materials.LEAVES), pick(rng, materials.LEAVES)
    blotches = np.clip(smooth_noise(rng, plane.shape, (6, 6)) * np.float32(0.6) + np.float32(0.2), 0, 1)
    colour = mixed(green, second, blotches)
    stem = capsule(bent, (-0.98, 0.0), (-0.5, 0.0), 0.028, 0.024)
    relief.add(
        stem, rounded(stem, 0.03, 0.04, 0.02), green * np.float32(0.8) + linear("#6b4a25") * np.float32(0.3), SATIN
    )
    relief.add(blade, rounded(blade, 0.03, 0.03, 0.02) + puff + curl + veins * np.float32(-0.012), colour, SATIN)
    inside = np.clip(-blade / np.float32(0.02), 0, 1)
    relief.tint(veins * inside * np.float32(0.5), np.clip(green * np.float32(1.7) + np.float32(0.06), 0, 1))
    return relief
