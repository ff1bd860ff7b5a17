"""The text of a `config.pbtxt`: protobuf's text format (https://protobuf.dev/reference/protobuf/textformat-spec/)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hyperflow_export.triton.model_config import MODEL_FILE, ModelConfig

__all__ = ["FIRST_LINE", "config_text"]

FIRST_LINE = "# Written by hyperflow-export triton, which writes it anew with every version."
"""Tells the exporter's own models from others in the same repository."""


def config_text(config: ModelConfig) -> str:
    """Write a model's configuration as Triton reads it."""
    return "\n".join([FIRST_LINE, *_lines(config)]) + "\n"


def _lines(config: ModelConfig) -> Iterator[str]:
    yield f"name: {_quoted(config.name)}"
    yield 'platform: "onnxruntime_onnx"'
    yield 'backend: "onnxruntime"'
    yield f"default_model_filename: {_quoted(MODEL_FILE)}"
    yield "max_batch_size: 0"
    # By default only the newest version is served, and clients with an older bundle would be left alone.
    yield "version_policy { all { } }"
    yield from _tensors("input", config.inputs)
    yield from _tensors("output", config.outputs)
    yield f"instance_group [ {{ count: {config.n_instances} kind: {config.instance_kind} }} ]"
    if config.tensorrt is not None:
        yield "optimization { execution_accelerators { gpu_execution_accelerator [ {"
        yield '  name: "tensorrt"'
        for key, value in config.tensorrt.items():
            yield f"  parameters {{ key: {_quoted(key)} value: {_quoted(value)} }}"
        yield "} ] } }"
    if config.warm_up is not None:
        yield 'model_warmup { name: "compile" batch_size: 1'
        for name, dims in config.warm_up.items():
            value = f"data_type: TYPE_FP32 dims: {_sizes(dims)} zero_data: true"
            yield f"  inputs {{ key: {_quoted(name)} value {{ {value} }} }}"
        yield "}"
    for key, value in config.parameters.items():
        yield f"parameters {{ key: {_quoted(key)} value {{ string_value: {_quoted(value)} }} }}"


def _tensors(kind: str, tensors: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    for name, dims in tensors.items():
        yield f"{kind} {{ name: {_quoted(name)} data_type: TYPE_FP32 dims: {_sizes(dims)} }}"


def _sizes(dims: tuple[int, ...]) -> str:
    return f"[ {', '.join(map(str, dims))} ]"


def _quoted(text: str) -> str:
    plain = (chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\' else f"\\{byte:03o}" for byte in text.encode())
    return f'"{"".join(plain)}"'
