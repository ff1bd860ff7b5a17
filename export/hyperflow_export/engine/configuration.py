"""From an engine's key to TensorRT's own configuration of the build."""

from __future__ import annotations

from typing import Any

from hyperflow_export.engine.network import ParsedGraph
from hyperflow_export.engine.target import capability_constant
from hyperflow_export.errors import EngineBuildError
from hyperflow_runtime.backends.tensorrt.logger import make_logger
from hyperflow_runtime.engines.key import EngineKey

__all__ = ["configure"]


def configure(parsed: ParsedGraph, key: EngineKey, monitor: Any) -> Any:
    """Make the configuration of a build.

    Args:
        parsed: What is to be built.
        key: What it is built for; everything that is set here comes from it.
        monitor: From `make_monitor`.

    Raises:
        EngineBuildError: The graph cannot have the key's shapes, or the library refuses a capability.
    """
    module = parsed.library.module
    config = parsed.builder.create_builder_config()
    config.set_memory_pool_limit(module.MemoryPoolType.WORKSPACE, key.workspace_mib * 2**20)
    config.builder_optimization_level = key.optimisation_level
    if "no_tf32" in key.flags:
        config.clear_flag(module.BuilderFlag.TF32)
    if "detailed_layers" in key.flags:
        config.profiling_verbosity = module.ProfilingVerbosity.DETAILED
    config.progress_monitor = monitor
    if key.device is None:
        _name_capabilities(config, parsed, key)
    for profile in key.profiles:
        _add_profile(config, parsed, profile)
    return config


def _name_capabilities(config: Any, parsed: ParsedGraph, key: EngineKey) -> None:
    config.num_compute_capabilities = len(key.compute_capabilities)
    for index, capability in enumerate(key.compute_capabilities):
        if not config.set_compute_capability(capability_constant(parsed.library, capability), index):
            raise EngineBuildError(
                f"{parsed.library} takes no {capability} in {', '.join(key.compute_capabilities)} "
                f"({make_logger(parsed.library).explain()}); build for each alone"
            )


def _add_profile(config: Any, parsed: ParsedGraph, profile: tuple[Any, ...]) -> None:
    added = parsed.builder.create_optimization_profile()
    try:
        for shapes in profile:
            added.set_shape(shapes.input, shapes.min, shapes.opt, shapes.max)
        index = config.add_optimization_profile(added)
    except (ValueError, RuntimeError) as error:  # what the bindings raise for shapes that make no range
        raise _bad_profile(parsed, profile, str(error)) from error
    if index < 0:
        raise _bad_profile(parsed, profile, make_logger(parsed.library).explain())


def _bad_profile(parsed: ParsedGraph, profile: tuple[Any, ...], reason: str) -> EngineBuildError:
    ranges = ", ".join(f"{s.input} {s.min}..{s.max}" for s in profile)
    return EngineBuildError(f"{parsed.title} cannot be built for {ranges} ({reason}); export the bundle again")
