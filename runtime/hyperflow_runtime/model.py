"""Opening a bundle."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from hyperflow_runtime.backends.opening import BackendName, open_backend
from hyperflow_runtime.backends.protocol import Backend
from hyperflow_runtime.bundle.manifest import Manifest
from hyperflow_runtime.bundle.reader import Bundle, read_bundle
from hyperflow_runtime.preprocessing import ColourOrder
from hyperflow_runtime.session import Session

__all__ = ["BackendName", "Model", "open_bundle"]


class Model:
    """An opened bundle: the graphs in memory, from which any number of sessions can be made."""

    def __init__(self, bundle: Bundle, backend: Backend, notes: tuple[str, ...] = ()) -> None:
        """Use `open_bundle` instead, except for a backend of your own.

        Args:
            bundle: Checked by `read_bundle`.
            backend: Runs the bundle's graphs; the model closes it.
            notes: Why it is not a faster one.
        """
        self._bundle, self._backend, self._notes = bundle, backend, notes

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return self._bundle.manifest

    @property
    def backend(self) -> str:
        """Name of the backend and of the device it runs on."""
        return self._backend.name

    @property
    def notes(self) -> tuple[str, ...]:
        """Why the backend is not a faster one, where `auto` tried one; empty otherwise."""
        return self._notes

    def session(
        self, adaptation: str | Path | None = None, *, colour_order: ColourOrder = "bgr", bake: bool = True
    ) -> Session:
        """Start a session, empty or from a saved adaptation. Sessions share the graphs and nothing else.

        Args:
            adaptation: File written by `Session.save`.
            colour_order: Order of the channels in this session's frames; OpenCV gives BGR.
            bake: After each `adapt`, fold theta into a copy of the backbone in the background, where that makes
                predictions faster. Until it is ready, predictions use the graph with theta as an input.

        Raises:
            AdaptationFileError: Missing, torn, or of another bundle.
        """
        session = Session(self._backend, self._bundle, colour_order=colour_order, bake=bake)
        if adaptation is not None:
            session.load(adaptation)
        return session

    def close(self) -> None:
        """Free the graphs; a second call does nothing. Sessions of this model raise `BackendError` from now on."""
        self._backend.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_bundle(
    path: str | Path,
    backend: BackendName = "auto",
    *,
    n_threads: int | None = None,
    engine_cache: str | Path | None = None,
    device_index: int = 0,
) -> Model:
    """Open a bundle for use, after checking every file in it.

    Args:
        path: The folder `NAME.hyperflow`.
        backend: `tensorrt` needs engines that `hyperflow-export engine` has built on this device; `onnxruntime` runs
            on any processor; `auto` takes TensorRT where such engines are in the cache, and else onnxruntime.
        n_threads: Threads a run may use on the processor, all cores by default.
        engine_cache: Folder of the engines; by default `$HYPERFLOW_ENGINE_CACHE`, else `~/.cache/hyperflow/engines`.
        device_index: GPU, in CUDA's numbering.

    Raises:
        BundleError: Missing, torn, changed, hostile, or of another schema.
        EngineError: `tensorrt`, and there is no engine for this device that passed its self-test here.
        BackendError: The backend is unknown, absent, or refuses a graph.

    Example:
        >>> with open_bundle("build/small.hyperflow") as model:  # doctest: +SKIP
        ...     print(model.manifest.name, model.backend)
    """
    bundle = read_bundle(path)
    opened, notes = open_backend(
        bundle, backend, n_threads=n_threads, engine_cache=engine_cache, device_index=device_index
    )
    return Model(bundle, opened, notes)
