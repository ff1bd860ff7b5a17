"""HyperFlow on the device: open a bundle, show it a few things, adapt without gradients, classify.

Example:
    >>> from hyperflow_runtime import open_bundle
    >>> with open_bundle("build/small.hyperflow") as model:  # doctest: +SKIP
    ...     session = model.session()
    ...     session.add("mug", mug_frames)
    ...     session.add("pen", pen_frames)
    ...     print(session.adapt().timings_ms["total"])
    ...     print(session.predict(frame).label)
"""

from __future__ import annotations

from hyperflow_runtime._version import __version__ as __version__
from hyperflow_runtime.cameras.captured import CapturedFrame as CapturedFrame
from hyperflow_runtime.cameras.opening import open_camera as open_camera
from hyperflow_runtime.cameras.options import CameraOptions as CameraOptions
from hyperflow_runtime.errors import AdaptationError as AdaptationError
from hyperflow_runtime.errors import AdaptationFileError as AdaptationFileError
from hyperflow_runtime.errors import BackendError as BackendError
from hyperflow_runtime.errors import BundleError as BundleError
from hyperflow_runtime.errors import CameraError as CameraError
from hyperflow_runtime.errors import EngineError as EngineError
from hyperflow_runtime.errors import FrameError as FrameError
from hyperflow_runtime.errors import HyperflowRuntimeError as HyperflowRuntimeError
from hyperflow_runtime.errors import QueueFullError as QueueFullError
from hyperflow_runtime.errors import SupportError as SupportError
from hyperflow_runtime.frames import read_image as read_image
from hyperflow_runtime.live.classifying import LiveAnswer as LiveAnswer
from hyperflow_runtime.live.classifying import LiveClassifier as LiveClassifier
from hyperflow_runtime.live.shot_queue import ShotQueue as ShotQueue
from hyperflow_runtime.live.smoothing import SmoothedAnswer as SmoothedAnswer
from hyperflow_runtime.live.smoothing import Smoother as Smoother
from hyperflow_runtime.model import Model as Model
from hyperflow_runtime.model import open_bundle as open_bundle
from hyperflow_runtime.results import AdaptReport as AdaptReport
from hyperflow_runtime.results import GuardCandidate as GuardCandidate
from hyperflow_runtime.results import Prediction as Prediction
from hyperflow_runtime.session import Session as Session
from hyperflow_runtime.support import Shot as Shot

__all__ = [
    "AdaptReport",
    "AdaptationError",
    "AdaptationFileError",
    "BackendError",
    "BundleError",
    "CameraError",
    "CameraOptions",
    "CapturedFrame",
    "EngineError",
    "FrameError",
    "GuardCandidate",
    "HyperflowRuntimeError",
    "LiveAnswer",
    "LiveClassifier",
    "Model",
    "Prediction",
    "QueueFullError",
    "Session",
    "Shot",
    "ShotQueue",
    "SmoothedAnswer",
    "Smoother",
    "SupportError",
    "__version__",
    "open_bundle",
    "open_camera",
    "read_image",
]
