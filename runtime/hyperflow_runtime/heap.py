"""Memory that a program which runs for weeks would otherwise keep for nothing."""

from __future__ import annotations

import ctypes

__all__ = ["DEFAULT_ARENAS", "limit_arenas"]

DEFAULT_ARENAS = 2
_M_ARENA_MAX = -8  # of mallopt, in malloc.h


def limit_arenas(n_arenas: int = DEFAULT_ARENAS) -> bool:
    """Let the threads of this process share a few heaps instead of having up to eight a core.

    glibc gives a new thread a heap of its own, and what was freed in one heap does not serve the others. A camera that
    comes back starts new decoder threads each time, so that resident memory grows although nothing leaks. Call it
    first of all in a program of many threads: heaps that exist stay. It holds for the whole process, so the library
    itself never calls it.

    Args:
        n_arenas: Heaps at most, 1 or more. Threads that allocate at the same moment wait for each other when few.

    Returns:
        Whether the C library took it: glibc does, others have no such setting.

    Raises:
        ValueError: Fewer than one.

    Example:
        >>> from hyperflow_runtime.heap import limit_arenas
        >>> limit_arenas()  # doctest: +SKIP
        True
    """
    if n_arenas < 1:
        raise ValueError(f"n_arenas is {n_arenas}; at least 1 is needed")
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no such function, or no C library to be had by this name
        return False
    return bool(mallopt(_M_ARENA_MAX, n_arenas) == 1)
