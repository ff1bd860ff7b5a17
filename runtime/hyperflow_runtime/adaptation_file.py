"""The adaptation file: what a session has learned, in a `.npz` that belongs to one bundle.

Arrays: `meta` (UTF-8 JSON), `theta` (P,), `prototypes` (N, D), `features` (S, D) at theta_0, and `images`
(S, size_px, size_px, 3) when the shots are to be built upon. Nothing in it is executed on loading.
"""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hyperflow_runtime.arrays import read_npz
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.classifier import Classifier
from hyperflow_runtime.errors import AdaptationFileError, SupportError
from hyperflow_runtime.support import Shot, Support, check_label

__all__ = ["load_adaptation", "save_adaptation"]

SCHEMA = 1
_MAX_BYTES = 2**30
_Arrays = dict[str, NDArray[np.generic]]


class _Meta(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: int
    bundle_sha256: str
    bundle_name: str
    labels: tuple[str, ...]
    shot_labels: tuple[str, ...]
    step_size: float
    unknown_threshold: float
    logit_scale: float


def _encoded(support: Support, classifier: Classifier, bundle: Bundle, *, with_images: bool) -> bytes:
    meta = _Meta(
        schema=SCHEMA,
        bundle_sha256=bundle.sha256,
        bundle_name=bundle.manifest.name,
        labels=classifier.labels,
        shot_labels=tuple(shot.label for shot in support.shots),
        step_size=classifier.step_size,
        unknown_threshold=classifier.unknown_threshold,
        logit_scale=classifier.logit_scale,
    )
    size = bundle.manifest.feature_dim
    features = support.features if support.shots else np.zeros((0, size), np.float32)
    arrays: dict[str, Any] = {
        "meta": np.frombuffer(msgspec.json.encode(meta), np.uint8),
        "theta": classifier.theta,
        "prototypes": classifier.prototypes,
        "features": features,
    }
    if with_images and (images := support.images_rgb) is not None:
        arrays["images"] = images
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # allow_pickle=False would become an array of that name before numpy 2.2
    return buffer.getvalue()


def save_adaptation(
    path: Path, support: Support, classifier: Classifier, bundle: Bundle, *, with_images: bool, overwrite: bool
) -> None:
    """Write an adaptation file; on any failure the old file, if there is one, is untouched.

    Raises:
        AdaptationFileError: The file exists, or cannot be written.
    """
    data = _encoded(support, classifier, bundle, with_images=with_images)
    partial: str | None = None
    try:
        if path.exists() and not overwrite:
            raise AdaptationFileError(f"{path} exists; pass overwrite=True to replace it, or choose another name")
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            partial = file.name
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).chmod(0o644)  # temporary files are for their owner alone; an adaptation is not
        os.replace(partial, path)
    except OSError as error:
        if partial is not None:
            Path(partial).unlink(missing_ok=True)
        raise AdaptationFileError(
            f"{path} cannot be written ({error.strerror}); nothing was lost: free some space or choose another folder"
        ) from error


def load_adaptation(path: Path, bundle: Bundle) -> tuple[Support, Classifier]:
    """Read an adaptation file and check it against the bundle it is to be used with.

    Raises:
        AdaptationFileError: Missing, torn, hostile, or of another bundle.
    """
    try:
        if path.stat().st_size > _MAX_BYTES or not path.is_file():
            raise AdaptationFileError(f"{path} is no adaptation file: not a file, or more than {_MAX_BYTES} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise AdaptationFileError(f"no adaptation at {path} ({error.strerror})") from error
    try:
        arrays = read_npz(data, max_bytes=_MAX_BYTES)
        meta = msgspec.json.decode(arrays["meta"].tobytes(), type=_Meta)
        if meta.schema != SCHEMA:
            raise AdaptationFileError(f"{path} has schema {meta.schema}, this version reads {SCHEMA}; save it again")
        if meta.bundle_sha256 != bundle.sha256:
            raise AdaptationFileError(
                f"{path} belongs to another bundle ({meta.bundle_name!r:.60}, {meta.bundle_sha256[:12]}), not to "
                f"{bundle.path} ({bundle.sha256[:12]}); open that bundle, or adapt again from the images"
            )
        _check_shapes(arrays, meta, bundle)
        return _support(arrays, meta), _classifier(arrays, meta)
    except (ValueError, KeyError, msgspec.MsgspecError, SupportError) as error:
        raise AdaptationFileError(f"{path} is not a whole adaptation file ({error}); save it again") from error


def _check_shapes(arrays: _Arrays, meta: _Meta, bundle: Bundle) -> None:
    manifest = bundle.manifest
    n_shots, n_ways, side = len(meta.shot_labels), len(meta.labels), manifest.preprocessing.size_px
    expected: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
        "theta": ((manifest.n_parameters,), np.float32),
        "prototypes": ((n_ways, manifest.feature_dim), np.float32),
        "features": ((n_shots, manifest.feature_dim), np.float32),
    }
    if "images" in arrays:
        expected["images"] = ((n_shots, side, side, 3), np.uint8)
    for name, (shape, dtype) in expected.items():
        array = arrays[name]
        if array.shape != shape or array.dtype != dtype:
            raise ValueError(f"{name} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} {shape}")
        if dtype is np.float32 and not np.isfinite(array.astype(np.float32)).all():
            raise ValueError(f"{name} holds NaN or infinity")
    if not 1 <= n_ways <= manifest.limits.max_ways or n_shots > manifest.limits.max_support:
        raise ValueError(f"{n_ways} classes and {n_shots} shots exceed the bundle's limits")
    if len(set(meta.labels)) != n_ways or not set(meta.labels) >= {check_label(label) for label in meta.labels}:
        raise ValueError("class names repeat")
    if not set(meta.shot_labels) <= set(meta.labels):
        raise ValueError("a shot belongs to none of the classes")
    if meta.shot_labels and set(meta.shot_labels) != set(meta.labels):
        raise ValueError("a class has no shots, and others have")
    if not 0.0 < meta.logit_scale <= 1e6:
        raise ValueError(f"logit_scale is {meta.logit_scale}")


def _support(arrays: _Arrays, meta: _Meta) -> Support:
    features = arrays["features"].astype(np.float32)
    images = arrays.get("images")
    return Support(
        tuple(
            Shot(index, check_label(label), features[index], None if images is None else images[index].astype(np.uint8))
            for index, label in enumerate(meta.shot_labels)
        )
    )


def _classifier(arrays: _Arrays, meta: _Meta) -> Classifier:
    return Classifier(
        labels=meta.labels,
        theta=arrays["theta"].astype(np.float32),
        prototypes=arrays["prototypes"].astype(np.float32),
        step_size=meta.step_size,
        unknown_threshold=meta.unknown_threshold,
        logit_scale=meta.logit_scale,
    )
