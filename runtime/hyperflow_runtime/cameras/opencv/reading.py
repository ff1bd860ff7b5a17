"""An open `cv2.VideoCapture`, whose failures are a None, and one that keeps going over some of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperflow_runtime.cameras.opencv.library import load_opencv
from hyperflow_runtime.errors import CameraError

__all__ = ["LiveReading", "Reading"]

_PATIENCE_S = 0.5
_PAUSE_S = 0.05


class Reading:
    """Reads whatever OpenCV reads. One thread at a time."""

    def __init__(self, capture: Any) -> None:
        self._capture = capture

    @classmethod
    def open(cls, what: str | int, backend: str, parameters: Sequence[int] = ()) -> Reading | None:
        """Open a file, a stream, a device or a pipeline; None when OpenCV cannot.

        Args:
            what: Path, address, number or pipeline.
            backend: Name of OpenCV's constant.
            parameters: Pairs of a property and its value, for opening.
        """
        cv2 = load_opencv()
        try:
            capture = cv2.VideoCapture(what, getattr(cv2, backend), list(parameters))
        except cv2.error:
            return None
        if capture.isOpened():
            return cls(capture)
        capture.release()
        return None

    def read(self) -> NDArray[np.uint8] | None:
        """Return the next frame, uint8 BGR (H, W, 3) as a rule; None when there is none."""
        cv2 = load_opencv()
        try:
            came, image = self._capture.read()
        except cv2.error:
            return None
        return image if came and image is not None and image.size else None

    def get(self, name: int) -> float:
        """Return a property; 0 where it is not known."""
        return float(self._capture.get(name))

    def set(self, name: int, value: float) -> bool:
        """Ask for a property; tells whether the driver took it."""
        return bool(self._capture.set(name, value))

    def close(self) -> None:
        """Let go; a second call does nothing."""
        self._capture.release()


class LiveReading:
    """A lens or a stream: frames may fail for half a second, as many do at the start, before it counts as gone."""

    def __init__(self, description: str, why_not: Callable[[], str], *, silence_s: float = _PATIENCE_S) -> None:
        """Take note of a camera.

        Args:
            description: What to call it in errors.
            why_not: Looks for the reason when it does not open or gives no first frame, and the next move.
            silence_s: How long it may give nothing, where a driver's own limit is shorter: reads that took their time
                tell of a silent camera, and not of one that is gone.
        """
        self._description, self._why_not, self._silence_s = description, why_not, silence_s
        self._reading: Reading | None = None
        self._has_given = False

    def open(self, what: str | int, backend: str, parameters: Sequence[int] = ()) -> None:
        """Open it; see `Reading.open`.

        Raises:
            CameraError: It does not open.
        """
        self._reading, self._has_given = Reading.open(what, backend, parameters), False
        if self._reading is None:
            raise CameraError(f"{self._description} does not open: {self._why_not()}")

    def set(self, name: int, value: float) -> bool:
        """See `Reading.set`."""
        return self._reading is not None and self._reading.set(name, value)

    def get(self, name: int) -> float:
        """See `Reading.get`; 0 when it is not open."""
        return 0.0 if self._reading is None else self._reading.get(name)

    def read(self) -> NDArray[np.uint8]:
        """Return the next frame.

        Raises:
            CameraError: The camera is gone, or never gave one.
        """
        if self._reading is None:
            raise CameraError(f"{self._description} is not open")
        image = self._next(self._reading)
        if image is not None:
            self._has_given = True
            return image
        if self._has_given:
            raise CameraError(f"{self._description} gives no more pictures; look at its cable, power and network")
        raise CameraError(f"{self._description} opens but gives no pictures: {self._why_not()}")

    def _next(self, reading: Reading) -> NDArray[np.uint8] | None:
        began_s = time.monotonic()
        while True:
            asked_s = time.monotonic()
            if (image := reading.read()) is not None:
                return image
            now_s = time.monotonic()
            patience_s = self._silence_s if now_s - asked_s >= _PATIENCE_S else _PATIENCE_S
            if now_s - began_s >= patience_s:
                return None
            time.sleep(_PAUSE_S)

    def close(self) -> None:
        """Let go; a second call does nothing."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.close()
