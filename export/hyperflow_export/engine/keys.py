"""The key of an engine, from the bundle, the target and the settings."""

from __future__ import annotations

import hashlib

from hyperflow_export.engine.settings import BuildSettings
from hyperflow_export.engine.target import Target
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.choosing import graph_bytes
from hyperflow_runtime.engines.key import EngineKey, GraphName
from hyperflow_runtime.engines.profiles import engine_profiles

__all__ = ["FLAGS", "engine_key"]

FLAGS = ("detailed_layers", "no_tf32")
"""Choices that no option changes. Without the first an engine cannot tell its layers' precision. The second keeps fp32
what it says: left to itself TensorRT rounds the factors of fp32 products to ten bits."""


def engine_key(bundle: Bundle, graph: GraphName, target: Target, settings: BuildSettings) -> EngineKey:
    """Everything that decides what the engine of a graph is."""
    return EngineKey(
        graph=graph,
        graph_sha256=hashlib.sha256(graph_bytes(bundle, graph)).hexdigest(),
        library=target.library.name,
        library_version=target.library.version,
        compute_capabilities=target.compute_capabilities,
        device=target.device,
        precision=bundle.manifest.precision,
        profiles=engine_profiles(bundle.manifest, graph),
        workspace_mib=settings.workspace_mib,
        optimisation_level=settings.optimisation_level,
        flags=FLAGS,
    )
