"""What a user may choose about a build."""

from __future__ import annotations

from dataclasses import dataclass

from hyperflow_export.errors import EngineBuildError

__all__ = ["MAX_WORKSPACE_MIB", "MIN_WORKSPACE_MIB", "BuildSettings"]

MIN_WORKSPACE_MIB, MAX_WORKSPACE_MIB = 16, 65536
_LEVELS = range(6)


@dataclass(frozen=True)
class BuildSettings:
    """Choices of one build.

    Attributes:
        workspace_mib: Most scratch memory that a layer may take, 16..65536. Left to itself TensorRT takes three
            quarters of all memory on a Jetson, which the camera and onnxruntime need as well.
        optimisation_level: TensorRT's builder level, 0 (a fast build) to 5 (a fast engine). TensorRT for RTX compiles
            its kernels on the GPU that runs them, and builds the same plan at every level.
        use_timing_cache: Keep the measured times of kernels for the next build on this device.
    """

    workspace_mib: int = 512
    optimisation_level: int = 3
    use_timing_cache: bool = True

    def __post_init__(self) -> None:
        if not MIN_WORKSPACE_MIB <= self.workspace_mib <= MAX_WORKSPACE_MIB:
            raise EngineBuildError(
                f"workspace_mib must be {MIN_WORKSPACE_MIB}..{MAX_WORKSPACE_MIB}, got {self.workspace_mib}; "
                "512 does for small boards"
            )
        if self.optimisation_level not in _LEVELS:
            raise EngineBuildError(f"optimisation_level must be 0..5, got {self.optimisation_level}")
