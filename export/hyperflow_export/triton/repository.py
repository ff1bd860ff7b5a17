"""A Triton model repository with a bundle's two models, new or beside other models."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hyperflow_export.errors import ExportError, OutputExistsError
from hyperflow_export.triton.config_text import config_text
from hyperflow_export.triton.model_config import MODEL_FILE, ModelConfig, adapt_config, backbone_config
from hyperflow_export.triton.model_folder import ServedVersion, check_free, served_versions, stage_version
from hyperflow_export.triton.naming import adapt_model, backbone_model, checked_name
from hyperflow_export.triton.serving import Serving
from hyperflow_export.triton.swapping import staging_beside, swap_all
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.bundle.manifest import Manifest
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.errors import BundleError

__all__ = ["RepositoryReport", "WrittenFile", "write_repository"]

_Configure = Callable[[str, Manifest, Serving, Mapping[int, str]], ModelConfig]


@dataclass(frozen=True)
class WrittenFile:
    """A file of the repository: its path below it, and its size."""

    path: str
    size_bytes: int


@dataclass(frozen=True)
class RepositoryReport:
    """What was written.

    Attributes:
        repository: The folder to serve.
        models: Names of the two models.
        version: Their version.
        bundle_sha256: The bundle's identity, by which clients find the version.
        files: New and replaced files, the largest of each model first.
    """

    repository: Path
    models: tuple[str, str]
    version: int
    bundle_sha256: str
    files: tuple[WrittenFile, ...]


def write_repository(
    bundle: Bundle, output: Path, *, name: str | None = None, version: int = 1, serving: Serving | None = None,
    force: bool = False,
) -> RepositoryReport:  # fmt: skip
    """Write the models `NAME_backbone` and `NAME_adapt` into a repository; what else it holds is not touched.

    Args:
        bundle: Checked by `read_bundle`.
        output: The repository, new or present.
        name: Of the models, by default the bundle's.
        version: Of the models, 1 or more. Other versions go on being served.
        serving: The server's options.
        force: Replace this version where it is there.

    Raises:
        ExportError: A name or an option is not possible, or the place cannot be written; nothing was changed.
        OutputExistsError: The version is there, or the place is taken by something else.
        BundleError: A graph does not have the shapes that the bundle states.
        BackendError: A graph cannot be opened.
    """
    name = checked_name(bundle.manifest.name if name is None else name)
    if version < 1:
        raise ExportError(f"a version is 1 or more, got {version}")
    OnnxRuntimeBackend(bundle).close()  # the configuration repeats the manifest, so the graphs must agree with it
    output = output.resolve()
    if output.exists() and not output.is_dir():
        raise OutputExistsError(f"{output} exists and is no folder; choose another place")
    is_new, serving = not output.exists(), serving or Serving()
    models: dict[str, tuple[bytes, _Configure]] = {
        backbone_model(name): (bundle.backbone_onnx, backbone_config),
        adapt_model(name): (bundle.adapt_onnx, adapt_config),
    }
    beside = _notices(bundle)
    with staging_beside(output) as staging:
        root = staging / output.name
        root.mkdir()
        for model, (graph, configure) in models.items():
            served = served_versions(output / model)
            check_free(output / model, served, version, force=force)
            bundles = {number: other.sha256 for number, other in served.items()} | {version: bundle.sha256}
            config = configure(name, bundle.manifest, serving, bundles)
            _check_one_signature(config, configure, name, {n: v for n, v in served.items() if n != version})
            stage_version(output / model, root / model, version, {MODEL_FILE: graph, **beside}, config_text(config))
        written = tuple(written for model in models for written in _written(root, model, version))
        if is_new:
            os.rename(root, output)
        else:
            swap_all(root, output, list(models))
    return RepositoryReport(output, (backbone_model(name), adapt_model(name)), version, bundle.sha256, written)


def _notices(bundle: Bundle) -> dict[str, bytes]:
    """What goes with each graph: where it comes from, and under which licence. Triton does not read it."""
    expected = {"manifest.json": bundle.sha256, "MODEL_CARD.md": bundle.manifest.files["MODEL_CARD.md"].sha256}
    notices = {name: (bundle.path / name).read_bytes() for name in expected}
    for name, data in notices.items():
        if hashlib.sha256(data).hexdigest() != expected[name]:
            raise BundleError(f"{bundle.path}/{name} was changed since the bundle was read; try again")
    return notices


def _check_one_signature(
    config: ModelConfig, configure: _Configure, name: str, others: Mapping[int, ServedVersion]
) -> None:
    """Refuse versions of different shapes: Triton has one configuration for all versions of a model."""
    for number, other in others.items():
        before = configure(name, other.manifest, Serving(), {})
        if (before.inputs, before.outputs) != (config.inputs, config.outputs):
            raise OutputExistsError(
                f"version {number} of {config.name} takes {dict(before.inputs)} and gives {dict(before.outputs)}, the "
                f"bundle {dict(config.inputs)} and {dict(config.outputs)}; all versions of a model share their shapes, "
                "so choose another --name"
            )


def _written(root: Path, model: str, version: int) -> list[WrittenFile]:
    files = [root / model / "config.pbtxt", *(root / model / str(version)).iterdir()]
    sized = [WrittenFile(file.relative_to(root).as_posix(), file.stat().st_size) for file in files]
    return sorted(sized, key=lambda file: -file.size_bytes)
