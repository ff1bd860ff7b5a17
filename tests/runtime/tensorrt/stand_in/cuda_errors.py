"""Errors as pycuda raises them: `cuMemAlloc failed: out of memory`."""

from __future__ import annotations

__all__ = ["CudaError", "CudaLogicError", "CudaMemoryError", "CudaRuntimeError", "invalid_context", "out_of_memory"]


class CudaError(Exception):
    """`pycuda.driver.Error`."""


class CudaMemoryError(CudaError):
    """`pycuda.driver.MemoryError`."""


class CudaLogicError(CudaError):
    """`pycuda.driver.LogicError`."""


class CudaRuntimeError(CudaError):
    """`pycuda.driver.RuntimeError`."""


def invalid_context(routine: str) -> CudaLogicError:
    """No context is current in the calling thread."""
    return CudaLogicError(f"{routine} failed: invalid device context")


def out_of_memory(routine: str) -> CudaMemoryError:
    """There is no memory left."""
    return CudaMemoryError(f"{routine} failed: out of memory")
