"""The files of a model from the Hugging Face hub, in a folder here: which there must be, and how they are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from hyperflow.errors import CheckpointError

__all__ = ["find_model_folder", "read_json"]

_MAX_JSON_BYTES = 2**20
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_DOWNLOADED = ["config.json", "preprocessor_config.json", "model*.safetensors", "model.safetensors.index.json"]
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object of at most 1 MiB.

    Raises:
        CheckpointError: Missing, too large, or no JSON object.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_JSON_BYTES + 1)
        if len(data) > _MAX_JSON_BYTES:
            raise CheckpointError(f"{path} is larger than 1 MiB, which no model's configuration is")
        return msgspec.json.decode(data, type=dict[str, Any])
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror or error})") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise CheckpointError(f"{path} is not a JSON object ({error})") from error


def _download(name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise CheckpointError(f"huggingface_hub is not installed ({error}); pip install 'hyperflow[hub]'") from error
    try:
        return Path(snapshot_download(name, allow_patterns=_DOWNLOADED))
    except Exception as error:  # no network, no such name, no permission: each has its own family of errors
        reason = str(error).strip().split("\n")[0][:300] or type(error).__name__
        raise CheckpointError(
            f"{name} is no folder here and cannot be had from the hub ({reason}); where there is a network, "
            f"`hf download {name} --local-dir DIR`, then give hf:DIR"
        ) from error


def find_model_folder(source: str) -> Path:
    """Find a model in a folder, or download it from the hub.

    Args:
        source: A folder, or a name such as `facebook/dinov2-small`. What is a folder here is never looked up.

    Returns:
        Folder with `config.json` and weights in safetensors.

    Raises:
        CheckpointError: No such folder or name, or a file is missing. Pickled weights are not read, since a pickle
            can run code.
    """
    folder = Path(source).expanduser()
    if not folder.is_dir():
        if not _HUB_NAME.fullmatch(source):
            raise CheckpointError(
                f"no folder {source}; give a folder, or a name on the hub such as facebook/dinov2-small"
            )
        folder = _download(source)
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{folder} has no config.json; it must hold a model as transformers saves it")
    if not any((folder / name).is_file() for name in _WEIGHTS):
        if any((folder / name).exists() for name in _PICKLED):
            raise CheckpointError(
                f"{folder} has pickled weights only ({_PICKLED[0]}), which could run code and are not read; "
                "save the model again with save_pretrained, which writes model.safetensors"
            )
        raise CheckpointError(f"{folder} has no model.safetensors; copy the whole model again")
    return folder
