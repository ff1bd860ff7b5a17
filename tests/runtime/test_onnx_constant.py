"""Baking edits the protobuf by hand: the result is a valid model, and no torn file gets another exception out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from hyperflow_runtime.backends.onnx_constant import with_constant_input

THETA = np.linspace(-1, 1, 144).astype(np.float32)
IMAGES = np.random.default_rng(0).standard_normal((2, 3, 32, 32)).astype(np.float32)


@pytest.fixture(scope="module")
def backbone(tiny_bundle: Path) -> bytes:
    return (tiny_bundle / "backbone.onnx").read_bytes()


def run(model: bytes, feeds: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    outputs: list[Any] = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, feeds)
    return np.asarray(outputs[0])


def test_the_checker_of_onnx_accepts_the_result(backbone: bytes) -> None:
    onnx = pytest.importorskip("onnx")
    baked = onnx.load_from_string(with_constant_input(backbone, "theta", THETA))

    onnx.checker.check_model(baked, full_check=True)

    assert [node.name for node in baked.graph.input] == ["images"]
    added = baked.graph.initializer[-1]
    assert added.name == "theta"
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(added), THETA)


def test_nothing_but_the_input_and_the_constant_is_different(backbone: bytes) -> None:
    onnx = pytest.importorskip("onnx")
    before, after = (
        onnx.load_from_string(backbone),
        onnx.load_from_string(with_constant_input(backbone, "theta", THETA)),
    )
    dropped = next(node for node in before.graph.input if node.name == "theta")

    before.graph.input.remove(dropped)
    del after.graph.initializer[-1]

    assert after == before


def test_the_constant_stands_for_the_input(backbone: bytes) -> None:
    expected = run(backbone, {"images": IMAGES, "theta": THETA})

    np.testing.assert_allclose(
        run(with_constant_input(backbone, "theta", THETA), {"images": IMAGES}), expected, atol=1e-5
    )


@pytest.mark.parametrize(
    "value", [THETA.astype(np.float64), THETA.astype(">f4"), np.repeat(THETA, 2)[::2]], ids=["double", "big", "strided"]
)
def test_another_layout_of_the_same_numbers_gives_the_same_bytes(backbone: bytes, value: NDArray[Any]) -> None:
    assert with_constant_input(backbone, "theta", value) == with_constant_input(backbone, "theta", THETA)


def test_a_large_constant_has_lengths_of_several_bytes(backbone: bytes) -> None:
    onnx = pytest.importorskip("onnx")
    value = np.arange(3 * 70_000, dtype=np.float32).reshape(3, 70_000)

    baked = onnx.load_from_string(with_constant_input(backbone, "theta", value))

    np.testing.assert_array_equal(onnx.numpy_helper.to_array(baked.graph.initializer[-1]), value)


@pytest.mark.parametrize("name", ["thet", "theta2", "", "features", "THETA", "héta"])
def test_a_name_that_no_input_has_is_refused(backbone: bytes, name: str) -> None:
    with pytest.raises(ValueError, match=f"the graph has 0 inputs named '{name}', expected one"):
        with_constant_input(backbone, name, THETA)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (b"", "the model has 0 graphs, expected one"),
        (b"\x08\x0a", "the model has 0 graphs, expected one"),  # a version and nothing else
        (b"\x3a\x00", "the graph has 0 inputs named 'theta'"),  # an empty graph
        (b"\x3a", "torn protobuf message"),  # a key without a length
        (b"\x3a\x05ab", "torn protobuf message"),  # a length that is not there
        (b"\x3a" + b"\xff" * 20, "torn protobuf message"),  # a length without an end
        (b"\x08\x80", "torn protobuf message"),  # a number without an end
        (b"\x09\x00\x00", "torn protobuf message"),  # half of a double
        (b"\x0b", "unexpected wire type 3"),
        (b"not protobuf", "unexpected wire type|torn protobuf message"),
    ],
)
def test_what_is_no_model_is_refused(model: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        with_constant_input(model, "theta", THETA)


def test_a_model_of_two_graphs_is_refused(backbone: bytes) -> None:
    with pytest.raises(ValueError, match="the model has 2 graphs, expected one"):
        with_constant_input(backbone + backbone, "theta", THETA)


def is_baked(model: bytes) -> bool:
    """Whether a model could be baked; any error but ValueError gets out."""
    try:
        baked = with_constant_input(model, "theta", THETA)
    except ValueError:
        return False
    return b"theta" in baked and THETA.tobytes() in baked


def test_a_prefix_of_a_model_is_refused_or_holds_the_constant(backbone: bytes) -> None:
    outcomes = {is_baked(backbone)}

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(end=st.integers(0, len(backbone) - 1) | st.integers(len(backbone) - 100, len(backbone) - 1))
    def check(end: int) -> None:
        outcomes.add(is_baked(backbone[:end]))

    check()
    assert outcomes == {True, False}


def test_a_model_with_changed_bytes_is_refused_or_holds_the_constant(backbone: bytes) -> None:
    outcomes = {is_baked(backbone)}

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(st.lists(st.tuples(st.integers(0, len(backbone) - 1), st.integers(0, 255)), min_size=1, max_size=20))
    def check(changes: list[tuple[int, int]]) -> None:
        data = bytearray(backbone)
        for at, value in changes:
            data[at] = value
        outcomes.add(is_baked(bytes(data)))

    check()
    assert outcomes == {True, False}
