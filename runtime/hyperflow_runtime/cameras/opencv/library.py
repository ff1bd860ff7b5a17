"""The one module that imports OpenCV."""

from __future__ import annotations

from types import ModuleType

from hyperflow_runtime.errors import CameraError

__all__ = ["load_opencv"]


def load_opencv() -> ModuleType:
    """Import OpenCV when it is first needed.

    Raises:
        CameraError: It is not installed, or does not load.
    """
    try:
        import cv2
    except ImportError as error:
        raise CameraError(
            f"OpenCV does not load ({error}); pip install opencv-python, or on a Jetson: sudo apt install python3-opencv"
        ) from error
    module: ModuleType = cv2
    return module
