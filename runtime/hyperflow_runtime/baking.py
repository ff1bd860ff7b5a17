"""Baking in the background: predictions start at once under an input theta, and become faster a moment later."""

from __future__ import annotations

import threading

from hyperflow_runtime.backends.protocol import Array, Backend, Encoder
from hyperflow_runtime.errors import BackendError

__all__ = ["EncoderSlot"]


class _UnbakedEncoder:
    """The dynamic graph bound to one theta."""

    def __init__(self, backend: Backend, theta: Array) -> None:
        self._backend, self._theta = backend, theta

    def encode(self, images: Array) -> Array:
        return self._backend.encode(images, self._theta)


class EncoderSlot:
    """The fastest encoder at hand for one theta."""

    def __init__(self, backend: Backend, theta: Array) -> None:
        """Serve theta (P,) at once; call `start_baking` for speed."""
        self._backend, self._theta = backend, theta
        self._unbaked: Encoder = _UnbakedEncoder(backend, theta)
        self._encoder: Encoder = self._unbaked
        self._lock = threading.Lock()
        self._is_wanted = False
        self._thread: threading.Thread | None = None

    @property
    def encoder(self) -> Encoder:
        """What to encode with now. Reading it is atomic, so a swap never meets a running prediction."""
        return self._encoder

    def start_baking(self) -> None:
        """Prepare the faster encoder in a thread of its own, and swap it in when it is ready."""
        with self._lock:
            self._is_wanted = True
            if self._thread is None and self._encoder is self._unbaked:
                # Not a daemon: a process that ends while a graph is being compiled would abort.
                self._thread = threading.Thread(target=self._bake, name="hyperflow-bake")
                self._thread.start()

    def drop_baked(self) -> None:
        """Free the faster encoder, which holds a copy of all weights; `start_baking` makes it again."""
        with self._lock:
            self._is_wanted, self._encoder = False, self._unbaked

    def wait(self) -> None:
        """Return when baking, if it was started, is over."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _bake(self) -> None:
        try:
            baked = self._backend.baked(self._theta)
        except BackendError:
            baked = None  # closed meanwhile, or refused: the dynamic graph goes on answering
        with self._lock:
            if baked is not None and self._is_wanted:
                self._encoder = baked
            self._thread = None
