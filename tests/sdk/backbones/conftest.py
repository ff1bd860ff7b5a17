"""Tiny networks of every family with random weights, as transformers itself saves them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import nn

from hyperflow.backbones.families import FAMILIES

_TOKENS = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32, "mlp_ratio": 2,
    "image_size": 32, "patch_size": 8, "num_register_tokens": 3,
}  # fmt: skip
_STAGES = {
    "hidden_sizes": [8, 16], "depths": [1, 2], "num_stages": 2, "embedding_size": 8, "groups_width": 8,
}  # fmt: skip


def _fields(family: str) -> dict[str, Any]:
    shape = _STAGES if family in ("convnext", "convnextv2", "resnet", "regnet") else _TOKENS
    known = transformers.AutoConfig.for_model(family).to_dict()
    basic = {"layer_type": "basic"} if family == "resnet" else {}
    return {**{key: value for key, value in shape.items() if key in known}, **basic}


def random_model(family: str) -> Any:
    """A network in which no parameter is all zeros or all ones, and BatchNorm is not the identity."""
    config = transformers.AutoConfig.for_model(family, **_fields(family))
    model: Any = transformers.AutoModel.from_config(config)  # type: ignore[no-untyped-call]
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.3, 3.0)
    return model.eval()


@pytest.fixture(scope="session")
def saved_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folder of each family's network; never written to."""
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("hub")
    for family in FAMILIES:
        random_model(family).save_pretrained(root / family)
    return {family: root / family for family in FAMILIES}


@pytest.fixture
def vit_copy(saved_models: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the ViT to spoil."""
    return Path(shutil.copytree(saved_models["vit"], tmp_path / "vit"))


@pytest.fixture
def edit_json() -> Callable[..., None]:
    """Change fields of a JSON file in place; a field that is set to None is removed."""

    def edit(path: Path, **changes: object) -> None:
        fields = json.loads(path.read_text()) if path.exists() else {}
        fields.update(changes)
        path.write_text(json.dumps({key: value for key, value in fields.items() if value is not None}))

    return edit
