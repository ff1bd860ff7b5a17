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
from hyperflow_runtime.errors import AdaptationError as AdaptationError
from hyperflow_runtime.errors import AdaptationFileError as AdaptationFileError
from hyperflow_runtime.errors import BackendError as BackendError
from hyperflow_runtime.errors import BundleError as BundleError
from hyperflow_runtime.errors import EngineError as EngineError
from hyperflow_runtime.errors import FrameError as FrameError
from hyperflow_runtime.errors import HyperflowRuntimeError as HyperflowRuntimeError
from hyperflow_runtime.errors import SupportError as SupportError
from hyperflow_runtime.frames import read_image as read_image
from hyperflow_runtime.model import Model as Model
from hyperflow_runtime.model import open_bundle as open_bundle
from hyperflow_runtime.results import AdaptReport as AdaptReport
from hyperflow_runtime.results import GuardCandidate as GuardCandidate
from hyperflow_runtime.results import Prediction as Prediction
from hyperflow_runtime.session import Session as Session

__all__ = [
    "AdaptReport",
    "AdaptationError",
    "AdaptationFileError",
    "BackendError",
    "BundleError",
    "EngineError",
    "FrameError",
    "GuardCandidate",
    "HyperflowRuntimeError",
    "Model",
    "Prediction",
    "Session",
    "SupportError",
    "__version__",
    "open_bundle",
    "read_image",
]
