"""Beginning a pretraining with the network of an earlier one: small images first, large ones after, saves most time."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from hyperflow.errors import TrainingError
from hyperflow.training.loop import STATE_NAME
from hyperflow.training.state import load_state

__all__ = ["start_from"]

_PREFIX = "network."


def start_from(network: nn.Module, run: Path) -> None:
    """Fill a fresh network with the weights of an earlier pretraining; layers that are new stay fresh.

    Args:
        network: To be filled; its layers may be more than those of the earlier network.
        run: Folder of that pretraining, finished or not.

    Raises:
        TrainingError: No run there, or its network has layers that this one has not, or of another shape.
    """
    tensors, _ = load_state(run / STATE_NAME)
    earlier = {name.removeprefix(_PREFIX): value for name, value in tensors.items() if name.startswith(_PREFIX)}
    own = network.state_dict()
    wrong = [name for name, value in earlier.items() if name not in own or own[name].shape != value.shape]
    if wrong or not earlier:
        what = f"{wrong[0]} does not fit" if wrong else "it holds no network"
        raise TrainingError(f"cannot start from {run}: {what}; name a pretraining of the same backbone")
    network.load_state_dict(own | earlier)
