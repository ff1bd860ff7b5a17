"""How a server shall run the models: device, copies, accelerator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hyperflow_export.errors import ExportError

__all__ = ["Accelerator", "Kind", "Serving"]

Kind = Literal["auto", "cpu", "gpu"]
Accelerator = Literal["tensorrt"]


@dataclass(frozen=True)
class Serving:
    """Options of a server, for both models of a bundle.

    Attributes:
        kind: Device of the models; `auto` leaves it to the server, which takes the GPUs where there are any.
        n_instances: Copies of each model that run side by side, on each device; 1 or more.
        accelerator: `tensorrt` compiles the backbone on the server before it is ready. The drift stays in
            onnxruntime: its shapes change with each support, and it runs once a task.
        engine_cache: Folder on the server that keeps the compiled engine for the next start; only with an accelerator.
    """

    kind: Kind = "auto"
    n_instances: int = 1
    accelerator: Accelerator | None = None
    engine_cache: str | None = None

    def __post_init__(self) -> None:
        if self.n_instances < 1:
            raise ExportError(f"there must be 1 or more instances of a model, got {self.n_instances}")
        if self.accelerator is not None and self.kind == "cpu":
            raise ExportError(f"accelerator {self.accelerator} runs on a GPU; use it with kind 'gpu' or 'auto'")
        if self.engine_cache is not None and self.accelerator is None:
            raise ExportError("an engine cache keeps what an accelerator compiles; name the accelerator too")
