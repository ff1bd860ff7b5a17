"""TensorRT, wherever it comes from. The only module that imports it.

JetPack brings `tensorrt` (10.3 with JetPack 6, 10.13 or 10.16 with JetPack 7, 11.4 apart from it); workstations may
have `tensorrt_rtx` (TensorRT for RTX), which has the same Python interface. What differs between them is asked by
version here and nowhere else.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from hyperflow_runtime.engines.plan_header import LIBRARY_TITLES, LibraryName
from hyperflow_runtime.errors import BackendError

__all__ = ["OLDEST_TENSORRT", "TensorRTLibrary", "installed_libraries", "load_library"]

OLDEST_TENSORRT = (10, 3, 0)
"""Of JetPack 6.1. Older ones lack the progress monitor or parse fewer operators."""

_INSTALL: dict[LibraryName, str] = {
    "tensorrt": (
        "on a Jetson it comes with JetPack (sudo apt install python3-libnvinfer), and a virtual environment sees it "
        "only when made with --system-site-packages"
    ),
    "tensorrt_rtx": "pip install tensorrt-rtx-cu13",
}


@dataclass(frozen=True)
class TensorRTLibrary:
    """An imported TensorRT.

    Attributes:
        name: Of the module.
        module: The module itself.
        version: In full, such as `10.3.0`.
    """

    name: LibraryName
    module: Any
    version: str

    @property
    def version_numbers(self) -> tuple[int, int, int]:
        """Major, minor and patch."""
        return _numbers(self.version)

    @property
    def network_flags(self) -> int:
        """Flags of `create_network` for a strongly typed network, in which every tensor keeps the type of the graph.

        From TensorRT 11 on every network is strongly typed, and in TensorRT for RTX always was.
        """
        if self.name == "tensorrt_rtx" or self.version_numbers[0] >= 11:
            return 0
        return 1 << int(self.module.NetworkDefinitionCreationFlag.STRONGLY_TYPED)

    def __str__(self) -> str:
        return f"{LIBRARY_TITLES[self.name]} {self.version}"


def _numbers(version: str) -> tuple[int, int, int]:
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if found is None:
        raise BackendError(f"TensorRT states the version {version!r:.40}, which is none; install it again")
    major, minor, patch = (int(number) for number in found.groups())
    return major, minor, patch


def installed_libraries() -> tuple[LibraryName, ...]:
    """Names of those TensorRTs that seem to be installed, without importing them."""
    return tuple(name for name in LIBRARY_TITLES if name in sys.modules or find_spec(name) is not None)


def load_library(name: LibraryName = "tensorrt") -> TensorRTLibrary:
    """Import TensorRT.

    Args:
        name: Of the module.

    Raises:
        BackendError: Not installed, cannot be loaded, or too old.
    """
    title = LIBRARY_TITLES[name]
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        raise BackendError(f"{title} is not installed ({error}); {_INSTALL[name]}") from error
    except (ImportError, OSError, RuntimeError) as error:  # whatever a missing shared library makes of the import
        raise BackendError(f"{title} cannot be loaded ({error}); {_INSTALL[name]}") from error
    library = TensorRTLibrary(name, module, str(getattr(module, "__version__", "")))
    if name == "tensorrt" and library.version_numbers < OLDEST_TENSORRT:
        oldest = ".".join(map(str, OLDEST_TENSORRT))
        raise BackendError(f"{library} is too old; {oldest} or newer is needed, which JetPack 6.1 brings")
    return library
