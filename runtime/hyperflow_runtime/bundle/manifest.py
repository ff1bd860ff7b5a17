"""The manifest of a bundle, as data. The exporter writes it with these classes; the reader checks it with them."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

__all__ = [
    "BUNDLE_FILES",
    "SCHEMA",
    "Adaptation",
    "Arithmetic",
    "FileEntry",
    "Head",
    "Limits",
    "Manifest",
    "ParityCheck",
    "Precision",
    "Preprocessing",
    "ThetaSlot",
]

Precision = Literal["fp32", "fp16", "int8"]
"""Of weights and products inside the graphs. An int8 bundle has an int8 backbone and an fp16 drift."""

SCHEMA = 1
"""Version of the manifest's layout. A reader refuses every other."""

BUNDLE_FILES = ("MODEL_CARD.md", "adapt.onnx", "backbone.onnx", "reference.npz", "theta0.npy")
"""Files beside `manifest.json`: exactly these."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


def _require(condition: bool, rule: str) -> None:
    if not condition:
        raise ValueError(rule)


class Preprocessing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens to a frame before the backbone.

    Attributes:
        size_px: Side of the square input, 16..1024.
        resize: `centre_crop` keeps the aspect and cuts the longer side; `squash` keeps everything and distorts.
        crop_fraction: Share of the shorter side that the centre crop keeps, in (0, 1].
        interpolation: The only filter so far: Pillow's antialiased bilinear.
        colour_order: Order of the channels that the network takes.
        mean: Subtracted from each channel after scaling to [0, 1].
        std: Divides each channel after that.
    """

    size_px: int
    resize: Literal["centre_crop", "squash"]
    crop_fraction: float
    interpolation: Literal["bilinear_antialias"]
    colour_order: Literal["rgb"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        _require(16 <= self.size_px <= 1024, f"size_px must be 16..1024, got {self.size_px}")
        _require(0.0 < self.crop_fraction <= 1.0, f"crop_fraction must be in (0, 1], got {self.crop_fraction}")
        _require(min(self.std) > 0.0, f"every std must be above 0, got {self.std}")


class ThetaSlot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One adapted tensor inside theta: its name in the training network, first coordinate and length."""

    name: str
    offset: int
    size: int


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much the graphs were exported and tested for.

    Attributes:
        max_batch: Most images in one run of the backbone.
        max_support: Most support images.
        max_ways: Most classes.
    """

    max_batch: int
    max_support: int
    max_ways: int

    def __post_init__(self) -> None:
        _require(
            1 <= self.max_batch <= 4096 and 2 <= self.max_support <= 65536 and 2 <= self.max_ways <= 4096,
            f"limits out of range: {self}",
        )


class Adaptation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How theta moves: Euler steps, step size, and the guard's candidates.

    Attributes:
        n_steps: Euler steps K in `adapt.onnx`, 1..64.
        step_size: Step size h when no guard decides.
        candidates: Step sizes the guard chooses from; holds 0.
        penalties: Added to each candidate's leave-one-out loss.
    """

    n_steps: int
    step_size: float
    candidates: tuple[float, ...]
    penalties: tuple[float, ...]

    def __post_init__(self) -> None:
        _require(1 <= self.n_steps <= 64, f"n_steps must be 1..64, got {self.n_steps}")
        _require(1 <= len(self.candidates) <= 16, f"there must be 1..16 candidates, got {len(self.candidates)}")
        _require(len(self.candidates) == len(self.penalties), "candidates and penalties differ in number")
        _require(0.0 in self.candidates, f"candidates must hold 0 (do nothing), got {self.candidates}")


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The prototype head's calibration.

    Attributes:
        logit_scale: Factor from cosine to logit, in (0, 1e6].
        unknown_margin: Allowed fall below the support's own cosines, in their standard deviations.
        unknown_floor: Cosine threshold when no class has a second shot.
    """

    logit_scale: float
    unknown_margin: float
    unknown_floor: float

    def __post_init__(self) -> None:
        _require(0.0 < self.logit_scale <= 1e6, f"logit_scale must be in (0, 1e6], got {self.logit_scale}")


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Size and hash of one file."""

    sha256: str
    size_bytes: int

    def __post_init__(self) -> None:
        _require(_SHA256.fullmatch(self.sha256) is not None, f"not a sha256: {self.sha256[:80]!r}")
        _require(0 <= self.size_bytes <= 2**31, f"size_bytes out of range: {self.size_bytes}")


class ParityCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One comparison of the exported graphs with the training network.

    Attributes:
        name: What was compared, on which inputs.
        max_abs: Largest absolute difference.
        cosine: Least cosine between corresponding rows.
        top1_agreement: Share of equal top-1 labels, None where there are no labels.
        passed: Verdict under the tolerances at export.
    """

    name: str
    max_abs: float
    cosine: float
    top1_agreement: float | None
    passed: bool


class Arithmetic(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one graph computes in, read from the graph itself.

    Attributes:
        graph: Name of the file.
        shares: Of the multiply-accumulates of products, by precision; they sum to 1.
        kept: Products that stay in a higher precision than the bundle's, and why.
        calibration: How the ranges of an int8 graph were found; empty for others.
    """

    graph: str
    shares: dict[Precision, float]
    kept: tuple[str, ...] = ()
    calibration: str = ""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All that a device needs to know about a model.

    Attributes:
        schema: `SCHEMA` of the writer.
        name: Short name of the model.
        creator: Versions of what wrote it.
        preprocessing: From frame to input.
        feature_dim: Size D of a feature.
        theta: Layout of theta, without holes.
        limits: What the graphs were exported for.
        adaptation: How theta moves.
        head: Calibration.
        precision: Of weights and products inside the graphs; their inputs and outputs are fp32 always.
        parity: Comparisons made at export.
        licence: Licence of the weights.
        files: Size and hash of every other file.
        arithmetic: What each graph computes in; empty for fp32, where there is nothing to tell.
    """

    schema: int
    name: str
    creator: dict[str, str]
    preprocessing: Preprocessing
    feature_dim: int
    theta: tuple[ThetaSlot, ...]
    limits: Limits
    adaptation: Adaptation
    head: Head
    precision: Precision
    parity: tuple[ParityCheck, ...]
    licence: str
    files: dict[str, FileEntry]
    arithmetic: tuple[Arithmetic, ...] = ()

    def __post_init__(self) -> None:
        _require(self.schema == SCHEMA, f"schema {self.schema} is not {SCHEMA}, the one this version reads")
        _require(1 <= self.feature_dim <= 65536, f"feature_dim must be 1..65536, got {self.feature_dim}")
        _require(
            tuple(sorted(self.files)) == BUNDLE_FILES,
            f"files must be exactly {', '.join(BUNDLE_FILES)}, got {', '.join(sorted(self.files))[:300]}",
        )
        end = 0
        for slot in self.theta:
            _require(slot.offset == end and slot.size > 0, f"theta slot {slot.name[:80]!r} leaves a hole or overlaps")
            end += slot.size
        _require(1 <= end <= 2**26, f"theta must have 1..{2**26} coordinates, got {end}")

    @property
    def n_parameters(self) -> int:
        """Length P of theta."""
        return sum(slot.size for slot in self.theta)
