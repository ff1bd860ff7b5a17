"""Reading a bundle: everything is checked before anything runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from hyperflow_runtime.arrays import read_npy, read_npz
from hyperflow_runtime.bundle.manifest import SCHEMA, FileEntry, Manifest
from hyperflow_runtime.errors import BundleError

__all__ = ["Bundle", "read_bundle"]

_MAX_MANIFEST_BYTES = 4 * 2**20
_MAX_REFERENCE_BYTES = 2**30


@dataclass(frozen=True)
class Bundle:
    """A checked bundle in memory.

    Attributes:
        path: Where it was read.
        manifest: What it says of itself.
        sha256: Hash of the manifest, which holds the hashes of all else: the bundle's identity.
        theta_0: Meta-trained start value, (P,).
        backbone_onnx: Graph images (B, 3, H, W), theta (P,) -> features (B, D).
        adapt_onnx: Graph features (S, D), labels_onehot (S, N), step_size () -> theta (P,), step_norms (K,).
    """

    path: Path
    manifest: Manifest
    sha256: str
    theta_0: NDArray[np.float32]
    backbone_onnx: bytes
    adapt_onnx: bytes
    _reference: bytes

    def reference(self) -> dict[str, NDArray[np.generic]]:
        """Inputs and expected outputs for a self-test.

        Raises:
            BundleError: Not a plain `.npz`.
        """
        try:
            return read_npz(self._reference, max_bytes=_MAX_REFERENCE_BYTES)
        except ValueError as error:
            raise BundleError(f"{self.path}/reference.npz: {error}; export the bundle again") from error


def _read_manifest(path: Path) -> tuple[Manifest, str]:
    file = path / "manifest.json"
    try:
        if file.stat().st_size > _MAX_MANIFEST_BYTES or not file.is_file():
            raise BundleError(
                f"{file} is not a file of at most {_MAX_MANIFEST_BYTES} bytes; this is no HyperFlow bundle"
            )
        data = file.read_bytes()
    except OSError as error:
        raise BundleError(f"no bundle at {path}: manifest.json cannot be read ({error.strerror})") from error
    try:
        schema = msgspec.json.decode(data).get("schema")
        if schema != SCHEMA:
            raise BundleError(
                f"{file} has schema {schema!r:.40}, this version reads {SCHEMA}; export the bundle again, or update"
            )
        return msgspec.json.decode(data, type=Manifest), hashlib.sha256(data).hexdigest()
    except (msgspec.MsgspecError, UnicodeDecodeError, AttributeError, RecursionError) as error:
        raise BundleError(f"{file} is not a valid manifest ({error}); export the bundle again") from error


def _read_checked(file: Path, entry: FileEntry) -> bytes:
    """Read a file once and hash those very bytes, so that what was checked is what runs."""
    try:
        if not file.is_file():
            raise BundleError(f"{file} is missing; copy the whole bundle again")
        if file.stat().st_size != entry.size_bytes:
            raise BundleError(
                f"{file} has {file.stat().st_size} bytes, expected {entry.size_bytes}; copy the bundle again"
            )
        data = file.read_bytes()
    except OSError as error:
        raise BundleError(f"{file} cannot be read ({error.strerror})") from error
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise BundleError(f"{file} was changed: its hash is not the one in manifest.json; copy the bundle again")
    return data


def _theta_0(path: Path, data: bytes, manifest: Manifest) -> NDArray[np.float32]:
    try:
        theta = read_npy(data)
    except ValueError as error:
        raise BundleError(f"{path}/theta0.npy: {error}; export the bundle again") from error
    if theta.shape != (manifest.n_parameters,) or theta.dtype != np.float32:
        raise BundleError(
            f"{path}/theta0.npy is {theta.dtype} {theta.shape}, the manifest says float32 ({manifest.n_parameters},)"
        )
    if not np.isfinite(theta).all():
        raise BundleError(f"{path}/theta0.npy holds NaN or infinity; export the bundle again")
    return theta.astype(np.float32)


def read_bundle(path: str | Path) -> Bundle:
    """Read a bundle and check schema, names, sizes, hashes and shapes.

    Args:
        path: The folder `NAME.hyperflow`.

    Raises:
        BundleError: What is wrong, and what to do about it.
    """
    path = Path(path)
    manifest, sha256 = _read_manifest(path)
    # The names come from the manifest's own check against a fixed list, so none of them can leave the folder.
    files = {name: _read_checked(path / name, entry) for name, entry in manifest.files.items()}
    return Bundle(
        path=path,
        manifest=manifest,
        sha256=sha256,
        theta_0=_theta_0(path, files["theta0.npy"], manifest),
        backbone_onnx=files["backbone.onnx"],
        adapt_onnx=files["adapt.onnx"],
        _reference=files["reference.npz"],
    )
