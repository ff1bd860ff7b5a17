"""The first bytes of a plan."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperflow_runtime.engines.plan_header import check_plan, read_plan_header
from hyperflow_runtime.errors import EngineError


def plan(tag: bytes = b"ftrt", version: tuple[int, int, int] = (10, 3, 0), size: int = 100) -> bytes:
    return (tag + bytes(20) + bytes((*version, 30))).ljust(size, b"\x07")


@pytest.mark.parametrize(("tag", "library", "text"), [
    (b"ftrt", "tensorrt", "TensorRT 10.3.0"), (b"vtrt", "tensorrt_rtx", "TensorRT for RTX 10.3.0"),
])  # fmt: skip
def test_the_header_tells_who_wrote_a_plan(tag: bytes, library: str, text: str) -> None:
    header = read_plan_header(plan(tag))

    assert (header.library, header.version) == (library, (10, 3, 0))
    assert str(header) == text


def test_a_plan_of_this_library_and_version_passes() -> None:
    check_plan(plan(), "tensorrt", (10, 3, 0))


@pytest.mark.parametrize(("tag", "version"), [(b"ftrt", (10, 3, 1)), (b"ftrt", (11, 4, 0)), (b"vtrt", (10, 3, 0))])
def test_a_plan_of_another_one_is_refused_with_both_versions(tag: bytes, version: tuple[int, int, int]) -> None:
    with pytest.raises(EngineError, match=r"was built by .*, this is TensorRT 10\.3\.0, .*hyperflow-export engine"):
        check_plan(plan(tag, version), "tensorrt", (10, 3, 0))


def test_a_torn_plan_is_refused_with_its_size() -> None:
    with pytest.raises(EngineError, match="a plan of 27 bytes is torn; build the engine again"):
        read_plan_header(plan(size=28)[:27])


@given(st.binary(max_size=64))
def test_no_bytes_do_more_than_raise(data: bytes) -> None:
    try:
        header = read_plan_header(data)
    except EngineError:
        return
    assert data[:4] in (b"ftrt", b"vtrt")
    assert header.version == tuple(data[24:27])
