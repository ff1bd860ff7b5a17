"""A model's folder in a repository: whose it is, which versions it holds, and the folder with one version more."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hyperflow_export.errors import OutputExistsError
from hyperflow_export.triton.config_text import FIRST_LINE
from hyperflow_runtime.bundle.manifest import Manifest

__all__ = ["ServedVersion", "check_free", "served_versions", "stage_version"]

_MOST_BYTES = 4 * 2**20


@dataclass(frozen=True)
class ServedVersion:
    """A version that a repository holds already.

    Attributes:
        sha256: Of the bundle's manifest: the bundle's identity.
        manifest: Of the bundle.
    """

    sha256: str
    manifest: Manifest


def served_versions(folder: Path) -> dict[int, ServedVersion]:
    """Read which versions a model's folder holds; none if there is no folder.

    Raises:
        OutputExistsError: The folder was not written by this exporter, or by one of another schema.
    """
    if not folder.exists() and not folder.is_symlink():
        return {}
    advice = "so it is left alone; choose another --name, or another repository"
    if folder.is_symlink() or not _head(folder / "config.pbtxt").startswith(FIRST_LINE.encode()):
        raise OutputExistsError(f"{folder} exists and was not written by hyperflow-export, {advice}")
    versions = {}
    for child in folder.iterdir():
        if child.is_dir() and child.name.isascii() and child.name.isdigit():
            data = _head(child / "manifest.json")
            try:
                manifest = msgspec.json.decode(data, type=Manifest)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise OutputExistsError(
                    f"{child} holds no manifest.json that this version reads ({error}), {advice}"
                ) from error
            versions[int(child.name)] = ServedVersion(hashlib.sha256(data).hexdigest(), manifest)
    return versions


def _head(file: Path) -> bytes:
    if not file.is_file():
        return b""
    with file.open("rb") as opened:
        return opened.read(_MOST_BYTES)


def check_free(folder: Path, served: Mapping[int, ServedVersion], version: int, *, force: bool) -> None:
    """Refuse to replace a version that was not to be replaced.

    Raises:
        OutputExistsError: It is there.
    """
    if version in served and not force:
        raise OutputExistsError(
            f"{folder} has a version {version}; add --force to replace it, or --version {max(served) + 1} to serve both"
        )


def stage_version(present: Path, staged: Path, version: int, files: Mapping[str, bytes], config: str) -> None:
    """Write a model's folder as it shall be: all that it holds now, one version new or replaced, and the configuration.

    Args:
        present: The folder in force, which is not touched; may be absent.
        staged: The folder to write, absent.
        version: 1 or more.
        files: Of the version's folder.
        config: Text of `config.pbtxt`.
    """
    if present.is_dir():
        shutil.copytree(present, staged, symlinks=True)
        shutil.rmtree(staged / str(version), ignore_errors=True)
    (staged / str(version)).mkdir(parents=True)
    for name, data in files.items():
        (staged / str(version) / name).write_bytes(data)
    (staged / "config.pbtxt").write_text(config, encoding="utf-8")
