"""Networks of the `transformers` library, rebuilt from a configuration that travels inside ours.

A checkpoint therefore needs neither the hub nor its cache: only the library, which holds the code of each family. Code
from a repository is never run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import torch
from torch import nn

from hyperflow.backbones.families import FAMILIES, Family, Pooling
from hyperflow.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

__all__ = ["HfConfig", "HfNetwork", "architecture_of", "feature_dim_of", "hf_config_of", "new_model", "refuse_huge"]

_MAX_LAYERS, _MAX_NUMBER, _MAX_WEIGHTS = 256, 2**16, 2**31
_MAX_ITEMS, _MAX_DEPTH = 128, 4
_LAYER_COUNTS = ("num_hidden_layers", "depths")
# Names, labels and storage say nothing about the network; the rest changes what it returns, or runs other code.
_NOT_ARCHITECTURE = frozenset(
    (
        *("_name_or_path", "architectures", "id2label", "label2id", "num_labels", "problem_type", "finetuning_task"),
        *("dtype", "torch_dtype", "_attn_implementation", "attn_implementation"),
        *("auto_map", "quantization_config", "return_dict", "use_return_dict", "output_attentions"),
        *("output_hidden_states", "torchscript", "out_features", "out_indices", "stage_names"),
    )
)


class HfConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="hf"):
    """A network of `transformers`.

    Attributes:
        architecture: Its `config.json`, `model_type` and image size included, without names and labels.
        feature_dim: Size of a feature.
        pooling: From the outputs to one feature.

    Raises:
        ConfigError: An unknown family, a pooling that it has not, or a number out of all proportion.
    """

    architecture: dict[str, Any]
    feature_dim: int
    pooling: Pooling

    def __post_init__(self) -> None:
        family = family_of(self.architecture)
        if self.pooling not in family.poolings:
            raise ConfigError(
                f"pooling must be one of {', '.join(family.poolings)} for {self.architecture['model_type']}, "
                f"got {self.pooling!r}"
            )
        _check_numbers(self.architecture)


def family_of(architecture: Mapping[str, Any]) -> Family:
    """Look up the family of an architecture.

    Raises:
        ConfigError: It is none that is known here.
    """
    name = architecture.get("model_type")
    if not isinstance(name, str) or name not in FAMILIES:
        raise ConfigError(f"model_type must be one of {', '.join(FAMILIES)}, got {str(name)[:80]!r}")
    return FAMILIES[name]


def _check_numbers(value: object, key: str = "architecture", depth: int = 0) -> None:
    """Refuse what would take the memory or the time of a whole day just to build."""
    if isinstance(value, dict | list):
        if len(value) > _MAX_ITEMS or depth > _MAX_DEPTH:
            raise ConfigError(f"{key} has {len(value)} items at depth {depth}, more than any network's configuration")
        named = value.items() if isinstance(value, dict) else ((key, item) for item in value)
        for name, item in named:
            _check_numbers(item, str(name)[:80], depth + 1)
    elif isinstance(value, int) and not isinstance(value, bool):
        most = _MAX_LAYERS if key in _LAYER_COUNTS else _MAX_NUMBER
        if abs(value) > most:
            raise ConfigError(f"{key} must be at most {most}, got {str(value)[:40]}")


def architecture_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a `config.json` what describes the network."""
    return {key: value for key, value in raw.items() if key not in _NOT_ARCHITECTURE}


def hf_config_of(architecture: Mapping[str, Any]) -> PretrainedConfig:
    """Make the library's own configuration.

    Raises:
        ConfigError: The library is absent or of another major version, or refuses the values.
    """
    try:
        import transformers
    except ImportError as error:
        raise ConfigError(f"transformers is not installed ({error}); pip install 'hyperflow[hub]'") from error
    made_with, here = str(architecture.get("transformers_version", "")), transformers.__version__
    if made_with and made_with.split(".")[0] != here.split(".")[0]:
        major = made_with.split(".")[0][:8]
        raise ConfigError(
            f"this network was stored with transformers {made_with[:20]} and here is {here}, which names its layers "
            f"otherwise; pip install 'transformers=={major}.*'"
        )
    values = {key: value for key, value in architecture.items() if key not in ("model_type", "transformers_version")}
    try:
        config: PretrainedConfig = transformers.AutoConfig.for_model(architecture["model_type"], **values)
    except Exception as error:  # each family checks its values with errors of its own
        raise ConfigError(f"transformers refuses the {architecture['model_type']} configuration ({error})") from error
    return config


def feature_dim_of(config: PretrainedConfig) -> int:
    """Size of a feature: channels of the last stage, or the width of a token."""
    sizes = getattr(config, "hidden_sizes", None)
    return int(sizes[-1] if sizes else config.hidden_size)


def _from_config(config: PretrainedConfig, device: str) -> nn.Module:
    import transformers

    auto: Any = transformers.AutoModel  # not annotated
    try:
        with torch.device(device):
            # Attention as plain products: it is traced to operators that every engine fuses.
            model: nn.Module = auto.from_config(config, attn_implementation="eager")
    except Exception as error:  # sizes that do not fit each other surface as whatever torch raises
        raise ConfigError(f"{config.model_type} cannot be built from its configuration ({error})") from error
    return model.eval()


def refuse_huge(config: PretrainedConfig) -> None:
    """Count the weights of a network without making them.

    Raises:
        ConfigError: There would be more than 2^31, or the library refuses the values.
    """
    n_weights = sum(weight.numel() for weight in _from_config(config, "meta").parameters())
    if n_weights > _MAX_WEIGHTS:
        raise ConfigError(f"{config.model_type} would have {n_weights:.3g} weights, more than 2^31")


def new_model(config: PretrainedConfig) -> nn.Module:
    """Build a network with random weights, in eval mode, without a head.

    Raises:
        ConfigError: It would have more than 2^31 weights, or the library refuses its values.
    """
    refuse_huge(config)
    return _from_config(config, "cpu")


class HfNetwork(nn.Module):
    """Images (B, 3, H, W) to features (B, feature_dim)."""

    def __init__(self, config: HfConfig, model: nn.Module | None = None) -> None:
        """Build the network.

        Args:
            config: What to build.
            model: Trained, and of the same architecture; one with random weights when None.

        Raises:
            ConfigError: It cannot be built, or its features have another size.
        """
        super().__init__()
        own = hf_config_of(config.architecture)
        if feature_dim_of(own) != config.feature_dim:
            raise ConfigError(f"feature_dim is {config.feature_dim}, but the network has {feature_dim_of(own)}")
        family = family_of(config.architecture)
        self.model: nn.Module = new_model(own) if model is None else model
        if "pooler" not in family.poolings and getattr(self.model, "pooler", None) is not None:
            self.model.register_module("pooler", None)  # a head for one task, often absent from published weights
        self.feature_dim = config.feature_dim
        self._pooling = config.pooling
        self._n_prefix = family.n_prefix + int(getattr(own, "num_register_tokens", 0))
        self._size_px = int(own.image_size) if family.has_positions else None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute features, (B, feature_dim).

        Raises:
            ConfigError: The images have another size than the position embeddings are for.
        """
        if self._size_px is not None and images.shape[2:] != (self._size_px, self._size_px):
            raise ConfigError(f"images are {tuple(images.shape[2:])}, but this network takes {self._size_px} px")
        output = self.model(pixel_values=images, return_dict=True)
        if self._pooling == "pooler":
            pooled: torch.Tensor = output.pooler_output
            return pooled.flatten(1)
        hidden: torch.Tensor = output.last_hidden_state
        if hidden.ndim == 4:
            return hidden.mean(dim=(2, 3))
        return hidden[:, 0] if self._pooling == "cls" else hidden[:, self._n_prefix :].mean(dim=1)
