"""The simulated camera: where it stands, and what its lens and sensor do to the light."""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from light import Lamp
from materials import Colour
from noise import Field, white_noise
from shapes import Plane

Matrix = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]

_BILINEAR = Image.Resampling.BILINEAR


@dataclass(frozen=True)
class Viewpoint:
    """How the camera looks at the desk.

    Attributes:
        to_desk: Homography (3, 3) from pixels (x, y, 1) to the desk in object units.
        unit: Size of an object unit at the image's centre, pixels.
        lean: Shift on the desk of a point one unit above it, object units.
        spin: In-plane angle of the object on the desk, radians.
    """

    to_desk: Matrix
    unit: float
    lean: tuple[float, float]
    spin: float


def random_viewpoint(rng: np.random.Generator, size: int, tilt: tuple[float, float]) -> Viewpoint:
    """Draw a viewpoint.

    Args:
        rng: The only source of randomness.
        size: Side of the square image in pixels.
        tilt: Range of the angle between the optical axis and straight down, degrees.
    """
    angle, azimuth = math.radians(rng.uniform(*tilt)), rng.uniform(0, 2 * math.pi)
    unit, distance = size * rng.uniform(0.34, 0.43), rng.uniform(4.0, 6.5)
    axis = np.array([-math.sin(azimuth), math.cos(azimuth), 0.0])
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    rotation = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    pose = rotation.copy()
    pose[:, 2] = (rng.uniform(-0.12, 0.12), rng.uniform(-0.12, 0.12), distance)
    lens = np.array([[unit * distance, 0, size / 2], [0, unit * distance, size / 2], [0, 0, 1.0]])
    up = rotation @ np.array([0.0, 0.0, -1.0])
    flat = np.linalg.inv(pose) @ np.array([up[0], up[1], 0.0])
    return Viewpoint(np.linalg.inv(lens @ pose), unit, (float(flat[0]), float(flat[1])), rng.uniform(0, 2 * math.pi))


def with_margins(view: Viewpoint, left: int, top: int) -> Viewpoint:
    """Return the viewpoint of a larger image that shows the same things `left` and `top` pixels further in."""
    shift = np.array([[1.0, 0, -left], [0, 1.0, -top], [0, 0, 1.0]])
    return replace(view, to_desk=view.to_desk @ shift)


def desk_plane(view: Viewpoint, shape: tuple[int, int]) -> Plane:
    """Return where each pixel of an image of `shape` (H, W) looks at the desk."""
    down, right = (np.arange(side, dtype=np.float32) + np.float32(0.5) for side in shape)
    x, y = np.meshgrid(right, down)
    rows = view.to_desk.astype(np.float32)
    u, v, w = (row[0] * x + row[1] * y + row[2] for row in rows)
    return Plane(u / w, v / w, view.lean)


def project_texture(texture: Colour, view: Viewpoint, plane: Plane, angle: float) -> Colour:
    """Lay a square texture on the desk, turned by `angle` radians and just large enough to fill the view.

    Args:
        texture: Linear light (N, N, 3), 0..1.
        view: The viewpoint.
        plane: The desk plane of that viewpoint.
        angle: Angle of the texture on the desk, radians.

    Returns:
        Linear light, float32 of shape (H, W, 3), 0..1.
    """
    side = texture.shape[0]
    reach = float(plane.radius().max()) * 1.02
    cos, sin, zoom = math.cos(angle), math.sin(angle), side / (2 * reach)
    to_texture = np.array([[cos * zoom, sin * zoom, side / 2], [-sin * zoom, cos * zoom, side / 2], [0, 0, 1.0]])
    matrix = to_texture @ view.to_desk
    matrix /= matrix[2, 2]
    encoded = (np.sqrt(texture) * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    laid = Image.fromarray(encoded).transform(
        (plane.shape[1], plane.shape[0]),
        Image.Transform.PERSPECTIVE,
        [float(value) for value in matrix.reshape(-1)[:8]],
        _BILINEAR,
    )
    levels = (np.arange(256, dtype=np.float32) / np.float32(255)) ** 2
    decoded: Colour = levels[np.asarray(laid)]
    return decoded


def _tone_curve(light: Colour) -> Colour:
    """Compress highlights and encode for display; 1 maps to about 0.93."""
    shouldered = light * (1 + light * np.float32(0.12)) / (1 + light * np.float32(0.3))
    encoded: Colour = np.clip(shouldered, 0, 1) ** np.float32(1 / 2.2)
    return encoded


def _window(shape: tuple[int, int], lamp: Lamp, vignette: float) -> Field:
    """Return the gain at each pixel from the lamp's falloff and the lens's vignette, of `shape` (H, W)."""
    down, right = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    x, y = np.meshgrid(right, down)
    slope = 1 + np.float32(lamp.falloff) * (x * np.float32(lamp.direction[0]) + y * np.float32(lamp.direction[1]))
    gain: Field = slope * (1 - np.float32(vignette) * (x * x + y * y) * np.float32(0.5))
    return gain


def _blurred(pixels: Pixels, rng: np.random.Generator) -> Field:
    """Blur a photo (H, W, 3) by a random defocus and, in half of the photos, a shaking hand."""
    border = 4
    # Without the border the filters would darken the photo's rim.
    photo = Image.fromarray(np.pad(pixels, ((border, border), (border, border), (0, 0)), mode="edge"))
    shake, direction = rng.uniform(0, 2.4), rng.uniform(0, math.pi)
    defocus = rng.uniform(0, 0.8) if rng.random() < 0.75 else rng.uniform(0.8, 1.5)
    if shake > 1.2:
        du, dv = math.cos(direction) * shake / 2, math.sin(direction) * shake / 2
        ahead, behind = (
            photo.transform(photo.size, Image.Transform.AFFINE, (1, 0, sign * du, 0, 1, sign * dv), _BILINEAR)
            for sign in (-1, 1)
        )
        photo = Image.blend(photo, Image.blend(ahead, behind, 0.5), 0.66)
    blurred = np.asarray(photo.filter(ImageFilter.GaussianBlur(defocus)), dtype=np.float32)
    return blurred[border:-border, border:-border]


def develop(light: Colour, lamp: Lamp, *, exposure: float, vignette: float, supersampling: int) -> Pixels:
    """Turn supersampled light into a photo by a perfect camera: sharp and without noise.

    Args:
        light: Linear light (H, W, 3), a multiple of `supersampling` on each side.
        lamp: Gives the white balance and the falloff.
        exposure: Gain, about 1.
        vignette: How much darker the corners are than the centre, 0..0.5.
        supersampling: How many samples per side make one pixel.

    Returns:
        RGB, uint8 of shape (H, W, 3) / `supersampling`.
    """
    rows, columns = light.shape[0] // supersampling, light.shape[1] // supersampling
    grid = light.reshape(rows, supersampling, columns, supersampling, 3)
    samples = [grid[:, row, :, column] for row in range(supersampling) for column in range(supersampling)]
    pixels = np.add.reduce(samples) / np.float32(len(samples))
    gains = np.asarray(lamp.warmth, dtype=np.float32) * np.float32(exposure)
    pixels = pixels * gains * _window((rows, columns), lamp, vignette)[..., None]
    return (_tone_curve(pixels) * np.float32(255)).astype(np.uint8)


def expose(light: Colour, lamp: Lamp, rng: np.random.Generator, supersampling: int) -> Image.Image:
    """Turn supersampled light into a photo by a real camera.

    Args:
        light: Linear light (H, W, 3), a multiple of `supersampling` on each side.
        lamp: Gives the white balance and the falloff.
        rng: Draws blur, exposure and noise.
        supersampling: How many samples per side make one pixel.

    Returns:
        An RGB image of (W, H) / `supersampling`.
    """
    exposure, vignette = rng.uniform(0.85, 1.25), rng.uniform(0.1, 0.4)
    sharp = develop(light, lamp, exposure=exposure, vignette=vignette, supersampling=supersampling)
    encoded = _blurred(sharp, rng)
    read, shot = rng.uniform(0.6, 2.0), rng.uniform(0.06, 0.24)
    spread = np.float32(read) + np.float32(shot) * np.sqrt(encoded)
    shared = white_noise(rng, (*encoded.shape[:2], 1)) * np.float32(0.7)
    encoded = encoded + (shared + white_noise(rng, encoded.shape) * np.float32(0.6)) * spread
    return Image.fromarray(np.clip(encoded, 0, 255).astype(np.uint8))
