"""A session end to end on the GPU, the choice of `auto`, and the end of a process that never closed anything."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from numpy.typing import NDArray
from stand_in import ORIN_NANO, RTX_4090, DeviceSpec, StandIn

from hyperflow_runtime import BackendError, EngineError, Model, Session, open_bundle
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.key import DeviceIdentity
from hyperflow_runtime.engines.record import SelfTest

Pictures = dict[str, list[NDArray[np.uint8]]]
ON_PROCESSOR = "onnxruntime (CPU)"
INTEGRATED_ALONE = pytest.mark.parametrize("device", [ORIN_NANO], ids=["integrated"])

NEVER_CLOSED = """
import atexit, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import numpy as np
import pytest
from stand_in import ORIN_NANO, install

installed = install(pytest.MonkeyPatch(), sys.argv[2], ORIN_NANO)

def check():
    live = installed.ledger.live()
    assert not {"device memory", "host memory", "stream"} & set(live), live
    installed.check()
    print("checked")

atexit.register(check)  # the first to be registered is the last to run
from hyperflow_runtime import open_bundle

model = open_bundle(sys.argv[3], "tensorrt", engine_cache=sys.argv[4])
session = model.session()
rng = np.random.default_rng(0)
for number, label in enumerate(("dark", "light")):
    session.add(label, list(rng.integers(100 * number, 100 * number + 90, (3, 40, 40, 3), dtype=np.uint8)))
session.adapt()
session.wait_until_baked()
print(session.predict(np.full((40, 40, 3), 150, np.uint8), allow_unknown=False).label, model.backend)
"""


def _adapted(model: Model, pictures: Pictures, *, bake: bool = True) -> Session:
    session = model.session(bake=bake)
    for label in ("red", "green", "blue"):
        session.add(label, pictures[label][:3])
    session.adapt()
    session.wait_until_baked()
    return session


@pytest.fixture
def fails_test(untested: EngineCache, bundle: Bundle, device: DeviceSpec) -> EngineCache:
    """Engines of which one gave other results."""
    capability = "{}.{}".format(*device.compute_capability)
    here = DeviceIdentity(device.name, capability, device.n_multiprocessors)
    for record in untested.records():
        untested.set_self_test(record, SelfTest(here, bundle.sha256, passed=record.key.graph == "backbone"))
    return untested


@pytest.mark.parametrize("bake", [True, False])
def test_a_session_answers_on_the_gpu_as_on_the_processor(
    stand_in: StandIn, tested: EngineCache, tiny_bundle: Path, pictures: Pictures, bake: bool
) -> None:
    frames = [frame for label in ("red", "green", "blue", "grey") for frame in pictures[label][3:6]]

    with open_bundle(tiny_bundle, "onnxruntime", n_threads=1) as model:
        expected = _adapted(model, pictures, bake=bake).predict_batch(frames)
    with open_bundle(tiny_bundle, "tensorrt", engine_cache=tested.folder) as model:
        assert model.backend.startswith(f"TensorRT {stand_in.tensorrt.__version__} (")
        session = _adapted(model, pictures, bake=bake)
        actual = session.predict_batch(frames)
        single = [session.predict(frame) for frame in frames]

    assert [one.label for one in actual] == [one.label for one in single] == [one.label for one in expected]
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(list(one.scores.values()), list(other.scores.values()), atol=1e-4)
    with pytest.raises(BackendError, match="the model is closed; open the bundle again"):
        session.predict(frames[0])
    del session
    stand_in.check(nothing_left=True)


def test_every_adaptation_takes_the_place_of_the_one_before_on_the_gpu(
    stand_in: StandIn, tested: EngineCache, tiny_bundle: Path, pictures: Pictures
) -> None:
    with open_bundle(tiny_bundle, "tensorrt", engine_cache=tested.folder) as model:
        session = _adapted(model, pictures)
        session.predict(pictures["red"][5])
        before = stand_in.ledger.live()["device memory"]
        for _ in range(3):
            session.adapt()
            session.wait_until_baked()
            session.predict(pictures["red"][5])

        assert stand_in.ledger.live()["device memory"] == before


def test_auto_takes_engines_that_passed(stand_in: StandIn, tested: EngineCache, tiny_bundle: Path) -> None:
    with open_bundle(tiny_bundle, engine_cache=tested.folder) as model:
        assert model.backend.startswith("TensorRT")
        assert model.notes == ()


def test_auto_says_nothing_of_engines_where_there_are_none(
    stand_in: StandIn, tiny_bundle: Path, tmp_path: Path
) -> None:
    with open_bundle(tiny_bundle, engine_cache=tmp_path / "nowhere") as model:
        assert (model.backend, model.notes) == (ON_PROCESSOR, ())
    assert stand_in.ledger.entries == []


def _falls_back(tiny_bundle: Path, cache: EngineCache, *sentences: str) -> None:
    with pytest.raises(BackendError):
        open_bundle(tiny_bundle, "tensorrt", engine_cache=cache.folder)
    with open_bundle(tiny_bundle, engine_cache=cache.folder) as model:
        assert model.backend == ON_PROCESSOR
        (note,) = model.notes
    assert note.startswith("TensorRT is not used: ")
    assert [sentence for sentence in sentences if sentence not in note] == [], note


def test_auto_leaves_engines_that_were_never_compared(
    stand_in: StandIn, untested: EngineCache, tiny_bundle: Path
) -> None:
    _falls_back(
        tiny_bundle, untested, "backbone.onnx was never compared on",
        f"hyperflow-export verify {tiny_bundle} --backend tensorrt",
    )  # fmt: skip
    stand_in.check(nothing_left=True)


def test_auto_leaves_engines_that_gave_other_results(
    stand_in: StandIn, fails_test: EngineCache, tiny_bundle: Path
) -> None:
    _falls_back(tiny_bundle, fails_test, "adapt.onnx gave other results than the bundle's reference data")
    stand_in.check(nothing_left=True)


@INTEGRATED_ALONE
def test_auto_leaves_engines_of_another_device(
    stand_in: StandIn, engines_for: Callable[[str, DeviceSpec], Path], tiny_bundle: Path
) -> None:
    cache = EngineCache(engines_for(stand_in.version, RTX_4090))

    _falls_back(tiny_bundle, cache, "no engine of", "there are engines of TensorRT", RTX_4090.name)


@INTEGRATED_ALONE
@pytest.mark.parametrize("missing", ["tensorrt", "pycuda", "GPU"])
def test_auto_runs_without_what_is_missing(
    stand_in: StandIn, tested: EngineCache, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    sentence = f"{missing} is not installed".replace("tensorrt", "TensorRT")
    if missing == "GPU":
        stand_in.faults.no_driver, sentence = True, "is there an NVIDIA GPU"
    else:
        monkeypatch.setitem(sys.modules, missing, None)
        monkeypatch.setitem(sys.modules, "pycuda.driver", None) if missing == "pycuda" else None

    _falls_back(tiny_bundle, tested, sentence)


@INTEGRATED_ALONE
def test_a_gpu_that_fails_at_the_first_run_gives_an_error_and_leaves_nothing(
    stand_in: StandIn, tested: EngineCache, tiny_bundle: Path
) -> None:
    stand_in.faults.execute = "Error Code 1: Cuda Runtime (unspecified launch failure)"

    with pytest.raises(BackendError, match="unspecified launch failure"):
        open_bundle(tiny_bundle, "tensorrt", engine_cache=tested.folder)

    stand_in.check(nothing_left=True)


@INTEGRATED_ALONE
def test_auto_runs_on_the_processor_when_the_gpu_fails_at_the_first_run(
    stand_in: StandIn, tested: EngineCache, tiny_bundle: Path
) -> None:
    stand_in.faults.execution_context = "Error Code 2: OutOfMemory (Requested size was 1048576 bytes.)"

    _falls_back(tiny_bundle, tested, "no execution context for backbone.onnx", "OutOfMemory")
    stand_in.check(nothing_left=True)


@INTEGRATED_ALONE
def test_an_engine_that_others_could_have_written_is_not_run(
    stand_in: StandIn, tested: EngineCache, tiny_bundle: Path
) -> None:
    tested.folder.chmod(0o777)

    with pytest.raises(EngineError, match="may be written by other users"):
        open_bundle(tiny_bundle, "tensorrt", engine_cache=tested.folder)


@INTEGRATED_ALONE
def test_a_process_that_never_closes_its_model_ends_cleanly(
    stand_in: StandIn, tested: EngineCache, tiny_bundle: Path,
    run_python: Callable[..., CompletedProcess[str]],
) -> None:  # fmt: skip
    done = run_python(NEVER_CLOSED, Path(__file__).parents[1], stand_in.version, tiny_bundle, tested.folder)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    first, last = done.stdout.splitlines()
    assert first == f"light TensorRT {stand_in.tensorrt.__version__} ({stand_in.device.name})"
    assert last == "checked"
