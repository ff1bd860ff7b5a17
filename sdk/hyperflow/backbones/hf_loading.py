"""Loading a trained network of `transformers` from a folder or the hub, at the image size that is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from hyperflow.backbones.families import FAMILIES, Pooling
from hyperflow.backbones.hf_files import find_model_folder, read_json
from hyperflow.backbones.hf_network import (
    HfConfig,
    HfNetwork,
    architecture_of,
    family_of,
    feature_dim_of,
    hf_config_of,
    new_model,
    refuse_huge,
)
from hyperflow.backbones.hf_preprocessing import read_preprocessing
from hyperflow.errors import CheckpointError, ConfigError
from hyperflow.images.preprocessing import Preprocessing

if TYPE_CHECKING:
    from transformers import PretrainedConfig

__all__ = ["LoadedHf", "load_hf"]

_POSITIONS = "embeddings.position_embeddings"
_NATIVE_PX = 224


@dataclass(frozen=True)
class LoadedHf:
    """A network with published weights.

    Attributes:
        network: In eval mode, fp32.
        config: Rebuilds it without the hub.
        preprocessing: How its images are prepared.
    """

    network: HfNetwork
    config: HfConfig
    preprocessing: Preprocessing


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep bars and reports of the library off the terminal: what matters of them becomes an error here."""
    import transformers

    logging: Any = transformers.utils.logging  # not annotated
    verbosity, had_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bar:
            logging.enable_progress_bar()


def _trained(folder: Path, config: PretrainedConfig) -> Any:
    import transformers

    auto: Any = transformers.AutoModel  # not annotated
    refuse_huge(config)
    try:
        with _quiet():
            model, info = auto.from_pretrained(
                folder,
                config=config,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # reported below, by name
                attn_implementation="eager",
            )
    except Exception as error:  # torn files, other shapes and missing shards all surface differently
        reason = str(error).strip()[:600]
        raise CheckpointError(f"{folder} cannot be loaded as {config.model_type} ({reason})") from error
    if missing := sorted(name for name in info["missing_keys"] if not name.startswith("pooler.")):
        raise CheckpointError(f"{folder} lacks {len(missing)} tensors of {config.model_type}, first {missing[0]!r}")
    # Entries are names, or tuples of a name and two shapes, as the library's version has it.
    entries = info["mismatched_keys"]
    if mismatched := sorted(entry if isinstance(entry, str) else entry[0] for entry in entries):
        raise CheckpointError(
            f"{folder}: {len(mismatched)} tensors do not have the shape that config.json says, first {mismatched[0]!r}"
        )
    for name, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{folder}: {name} holds NaN or infinity")
    return model.float().eval()


def _at_size(model: Any, size_px: int) -> Any:
    """Rebuild a transformer for another image size, once and here, so that no graph has to interpolate.

    The table comes from the library's own interpolation, which differs from family to family.
    """
    config = model.config
    old_px, patch_px = config.image_size, config.patch_size
    if type(old_px) is not int or type(patch_px) is not int:
        raise ConfigError(f"image_size and patch_size must be whole numbers, got {old_px} and {patch_px}")
    if old_px == size_px:
        return model
    resized = hf_config_of({**config.to_dict(), "image_size": size_px})
    state = dict(model.state_dict())
    n_tokens = FAMILIES[config.model_type].n_prefix + (size_px // patch_px) ** 2
    tokens = torch.empty(1, n_tokens, config.hidden_size)
    state[_POSITIONS] = model.embeddings.interpolate_pos_encoding(tokens, size_px, size_px)
    rebuilt = new_model(resized)
    rebuilt.load_state_dict(state)
    return rebuilt


def _check_size(architecture: dict[str, Any], size_px: int) -> None:
    patch_px = architecture.get("patch_size")
    if not isinstance(patch_px, int) or patch_px < 1 or not family_of(architecture).n_prefix:
        return
    if size_px % patch_px:
        below = max(size_px // patch_px, 1) * patch_px
        raise ConfigError(
            f"size_px must be a multiple of the patch, {patch_px} px, got {size_px}; try {below} or {below + patch_px}"
        )


def load_hf(source: str, *, size_px: int | None = None, pooling: Pooling | None = None) -> LoadedHf:
    """Load a network.

    Args:
        source: Folder as `save_pretrained` writes it, or name on the hub.
        size_px: Side of the input images; by default the published one. Position embeddings are interpolated.
        pooling: From the outputs to one feature; by default the family's first.

    Raises:
        CheckpointError: Not there, torn, pickled, or weights that do not fit the configuration.
        ConfigError: An unknown family, or a size or pooling that the network cannot have.
    """
    folder = find_model_folder(source)
    raw = read_json(folder / "config.json")
    # The version that wrote a published model is of no concern: the library reads its older files.
    architecture = {key: value for key, value in architecture_of(raw).items() if key != "transformers_version"}
    family = family_of(architecture)
    native_px = architecture.get("image_size")
    preprocessing = read_preprocessing(
        folder, size_px=size_px, native_px=native_px if type(native_px) is int else _NATIVE_PX
    )
    _check_size(architecture, preprocessing.size_px)
    chosen: Pooling = pooling or family.poolings[0]
    HfConfig(architecture, 1, chosen)  # refuses numbers out of all proportion before anything is built
    model = _trained(folder, hf_config_of(architecture))
    if family.has_positions:
        model = _at_size(model, preprocessing.size_px)
    config = HfConfig(architecture_of(model.config.to_dict()), feature_dim_of(model.config), chosen)
    return LoadedHf(HfNetwork(config, model).eval(), config, preprocessing)
