"""Heaps of a process, counted by glibc itself in a process of its own."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys

import pytest

from hyperflow_runtime.heap import limit_arenas

HAS_MALLOC_INFO = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_info")
N_THREADS = 6
PROGRAM = f"""
import ctypes, threading
{{first}}
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier({N_THREADS})
def allocate():
    together.wait()
    for _ in range(200):
        libc.malloc(1000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range({N_THREADS})]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc.fopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fopen(b"/dev/stdout", b"w")))
libc.fflush(None)
"""
LIMIT = "from hyperflow_runtime.heap import limit_arenas; print(limit_arenas({}))"


def _n_heaps(first: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(first=first)], capture_output=True, text=True, check=True
    )
    return len(set(re.findall(r'<heap nr="(\d+)">', done.stdout)))


@pytest.mark.skipif(not HAS_MALLOC_INFO, reason="needs a C library that counts its heaps, as glibc does")
@pytest.mark.parametrize("n_arenas", [1, 2])
def test_threads_share_as_many_heaps_as_were_allowed(n_arenas: int) -> None:
    assert _n_heaps("") > 2
    assert _n_heaps(LIMIT.format(n_arenas)) <= n_arenas


@pytest.mark.parametrize("n_arenas", [0, -3])
def test_no_heap_at_all_is_refused(n_arenas: int) -> None:
    with pytest.raises(ValueError, match=f"n_arenas is {n_arenas}"):
        limit_arenas(n_arenas)


@pytest.mark.parametrize("error", [AttributeError("mallopt"), OSError("no libc")])
def test_another_c_library_goes_on_as_it_is(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def no_library(name: None) -> object:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", no_library)

    assert not limit_arenas()
