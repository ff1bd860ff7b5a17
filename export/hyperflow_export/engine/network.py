"""A TensorRT network from ONNX bytes, strongly typed: every tensor keeps the type that the graph gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hyperflow_export.errors import EngineBuildError
from hyperflow_runtime.backends.tensorrt.library import TensorRTLibrary
from hyperflow_runtime.backends.tensorrt.logger import make_logger

__all__ = ["ParsedGraph", "parse_graph"]

_MAX_ERRORS = 5


@dataclass(frozen=True)
class ParsedGraph:
    """A network and what it lives on.

    Attributes:
        library: That parsed it.
        title: What it is, for messages.
        builder: That made it, and will build it.
        network: As TensorRT has it.
        parser: Owns the network's weights.
    """

    library: TensorRTLibrary
    title: str
    builder: Any
    network: Any
    parser: Any


def parse_graph(library: TensorRTLibrary, onnx: bytes, title: str) -> ParsedGraph:
    """Parse a graph.

    Args:
        library: From `load_library`.
        onnx: The graph, weights included.
        title: What it is, for messages.

    Raises:
        EngineBuildError: TensorRT cannot be started, or refuses the graph; with the nodes' names.
    """
    log, module = make_logger(library), library.module
    log.clear()
    try:
        builder = module.Builder(log.logger)
    except TypeError as error:  # what the bindings raise when the constructor fails
        raise EngineBuildError(f"{library} cannot be started ({log.explain()})") from error
    network = builder.create_network(library.network_flags)
    parser = module.OnnxParser(network, log.logger)
    if not parser.parse(onnx):
        raise EngineBuildError(
            f"{library} cannot parse {title}: {_errors(parser) or log.explain()}; export the bundle again, or run it "
            "with --backend onnxruntime"
        )
    return ParsedGraph(library, title, builder, network, parser)


def _errors(parser: Any) -> str:
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    said = [_sentence(error) for error in errors[:_MAX_ERRORS]]
    if len(errors) > _MAX_ERRORS:
        said.append(f"and {len(errors) - _MAX_ERRORS} more")
    return "; ".join(said)


def _sentence(error: Any) -> str:
    node = error.node_name() or error.node_operator()
    return f"node {node!r} ({error.node_operator()}): {error.desc()}" if node else str(error.desc())
