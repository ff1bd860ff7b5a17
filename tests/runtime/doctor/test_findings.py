"""What the doctor says of a Jetson, from a copy of its files, and of what is spoilt in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from hyperflow_runtime.board.conditions import read_conditions
from hyperflow_runtime.board.debian import debian_packages
from hyperflow_runtime.board.identity import describe_board
from hyperflow_runtime.doctor.board_state import examine_board
from hyperflow_runtime.doctor.cameras import examine_cameras
from hyperflow_runtime.doctor.cuda import examine_cuda
from hyperflow_runtime.doctor.examining import examine
from hyperflow_runtime.doctor.facts import CudaDeviceFacts, CudaFacts, DriverFacts, LibraryFacts
from hyperflow_runtime.doctor.finding import Finding
from hyperflow_runtime.doctor.inference import examine_onnxruntime, examine_tensorrt, examine_tensorrt_rtx
from hyperflow_runtime.doctor.memory import examine_memory
from hyperflow_runtime.doctor.probing import Probe
from hyperflow_runtime.doctor.python_environment import examine_python
from hyperflow_runtime.engines.key import DeviceIdentity

ORIN = DeviceIdentity("Orin", "8.7", 8)
MISSING = "TensorRT is not installed (No module named 'tensorrt'); on a Jetson it comes with JetPack"


def by_name(findings: Iterable[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def board_findings(root: Path) -> dict[str, Finding]:
    packages = debian_packages(root)
    board, conditions = describe_board(root, packages), read_conditions(root)
    return by_name(examine_board(board, conditions, packages, root=root))


def test_a_finding_that_is_not_ok_has_advice_and_no_other_has() -> None:
    with pytest.raises(ValueError, match="memory is 'note', with the advice None"):
        Finding("memory", "little", "note")
    with pytest.raises(ValueError, match="memory is 'ok', with the advice 'buy some'"):
        Finding("memory", "much", "ok", "buy some")


def test_a_jetson_is_described_with_its_components(orin_nano: Path) -> None:
    found = board_findings(orin_nano)

    assert found["machine"].value.startswith("NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super, ")
    assert found["Linux for Tegra"] == Finding("Linux for Tegra", "36.4.3")
    jetpack = found["JetPack"].value
    assert jetpack.startswith("6.2+b77; ")
    for component in ("cuda-toolkit-12-6 12.6.11-1", "libcudnn9-cuda-12 9.3.0.75-1", "libnvinfer10 10.3.0.30-1"):
        assert component in jetpack
    assert found["power mode"] == Finding("power mode", "25W", "note", "MAXN_SUPER is faster: sudo nvpmodel -m 2")
    assert found["CPU governor"].advice == "to measure, hold the clocks: sudo jetson_clocks"
    assert found["clocks"].value == "cpu 730 of 1344 MHz, gpu 306 of 918 MHz"


def test_the_memory_clock_is_asked_as_root_only(orin_nano: Path) -> None:
    found = board_findings(orin_nano)["memory clock"]

    if os.geteuid() == 0:
        assert found == Finding("memory clock", "2133 of 3199 MHz")
    else:
        assert found == Finding("memory clock", "shown to root only", "note", "sudo jetson_clocks --show")


def test_a_container_on_a_jetson_is_told_what_to_mount(orin_nano: Path) -> None:
    for hidden in ("etc/nv_tegra_release", "var/lib/dpkg/status", "usr/sbin/nvpmodel", "tmp/argus_socket"):
        (orin_nano / hidden).unlink()

    found = board_findings(orin_nano)
    cameras = by_name(examine_cameras(is_jetson=True, root=orin_nano))

    assert found["Linux for Tegra"].advice == "in a container, add -v /etc/nv_tegra_release:/etc/nv_tegra_release:ro"
    assert found["JetPack"].status == "note"
    assert found["power mode"].value == "no nvpmodel"
    assert "-v /tmp/argus_socket:/tmp/argus_socket" in str(cameras["CSI camera service"].advice)


def test_memory_says_what_processor_and_gpu_share(orin_nano: Path) -> None:
    memory, swap = examine_memory(is_jetson=True, root=orin_nano)

    assert memory == Finding(
        "memory", "5.0 of 7.4 GiB available, to processor and GPU together; the GPU has 0.77 GiB now"
    )
    assert swap == Finding("swap", "3.6 of 3.7 GiB free")


def test_little_memory_and_no_swap_are_noted_with_what_to_do(orin_nano: Path) -> None:
    meminfo = orin_nano / "proc/meminfo"
    meminfo.write_text(meminfo.read_text().replace("5230544", "530544").replace("3901440", "0"))

    memory, swap = examine_memory(is_jetson=True, root=orin_nano)

    assert (memory.status, memory.value[:22]) == ("note", "0.5 of 7.4 GiB availab")
    assert swap.advice == "builds of engines may be killed; make a swap file, or build with a smaller workspace"
    assert examine_memory(is_jetson=False, root=orin_nano)[1] == Finding("swap", "none")


@pytest.mark.parametrize(
    ("is_jetson", "hidden", "status", "advice"),
    [
        (False, True, "note", "needed for an NVIDIA GPU only"),
        (True, True, "problem", "python3 -m venv --system-site-packages ENVIRONMENT"),
        (True, False, "problem", "sudo apt install python3-libnvinfer"),
    ],
)
def test_a_missing_tensorrt_is_a_problem_on_a_jetson_alone(
    is_jetson: bool, hidden: bool, status: str, advice: str
) -> None:
    found = examine_tensorrt(
        Probe(failure=MISSING, is_missing=True), is_jetson=is_jetson, hides_system_packages=hidden,
        library_version="10.3.0",
    )  # fmt: skip

    assert found.status == status
    assert advice in str(found.advice)
    assert ("its library 10.3.0 is on this system" in found.value) == is_jetson


def test_a_tensorrt_that_does_not_load_is_a_problem_everywhere() -> None:
    failure = "TensorRT cannot be loaded (libnvinfer.so.10: cannot open shared object file); install it"
    broken = Probe[LibraryFacts](failure=failure)

    found = examine_tensorrt(broken, is_jetson=False, hides_system_packages=False, library_version=None)

    what = "TensorRT cannot be loaded (libnvinfer.so.10: cannot open shared object file)"
    assert found == Finding("TensorRT", what, "problem", "install it")


def test_tensorrt_for_rtx_is_not_for_a_jetson() -> None:
    missing = Probe[LibraryFacts](failure="No module named 'tensorrt_rtx'", is_missing=True)

    assert examine_tensorrt_rtx(missing, is_jetson=True).status == "ok"
    assert "pip install 'hyperflow[rtx]'" in str(examine_tensorrt_rtx(missing, is_jetson=False).advice)


def test_an_onnxruntime_that_ends_by_a_signal_is_a_problem() -> None:
    found = examine_onnxruntime(Probe(failure="ended by SIGILL: nothing said"))

    assert found.value == "does not run (ended by SIGILL: nothing said)"
    assert found.status == "problem"


def test_cuda_of_a_jetson_is_told_from_driver_to_devices(orin_nano: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    device = CudaDeviceFacts(ORIN, True, 7802912 * 1024, 4 * 2**30)
    cuda = CudaFacts("2025.1.2", (device,))

    found = by_name(examine_cuda(Probe(DriverFacts("12.6")), Probe(cuda), is_jetson=True, root=orin_nano))

    assert found["NVIDIA driver"].value == "runs CUDA up to 12.6"
    assert found["CUDA toolkit"].value == "12.6.11, nvcc not on the PATH"
    assert found["CUDA toolkit"].advice == "to install pycuda: export PATH=/usr/local/cuda/bin:$PATH"
    assert found["CUDA device"].value == (
        "Orin (8.7, 8 SMs), shares the processor's memory, 7.4 GiB, 4.0 GiB free by CUDA's count"
    )
    assert found["GPU libraries"].value == "libcuda 1, libcudnn 9.3.0, libnvinfer 10.3.0, libnvonnxparser 10.3.0"
    monkeypatch.setenv("PATH", "/usr/local/cuda/bin")
    found = by_name(examine_cuda(Probe(DriverFacts("12.6")), Probe(cuda), is_jetson=True, root=orin_nano))
    assert found["CUDA toolkit"] == Finding("CUDA toolkit", "12.6.11, nvcc on the PATH")


def test_the_toolkit_is_asked_where_its_list_is_garbled(orin_nano: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/local/cuda/bin:/usr/bin:/bin")
    (orin_nano / "usr/local/cuda/version.json").write_text('{"cuda": [1, 2]}')

    found = by_name(examine_cuda(Probe(), Probe(), is_jetson=True, root=orin_nano))

    assert found["CUDA toolkit"].value == "12.6, nvcc on the PATH"


def test_a_jetson_without_driver_and_pycuda_is_told_what_to_do(tmp_path: Path) -> None:
    no_pycuda = Probe[CudaFacts](failure="pycuda is not installed", is_missing=True)

    found = by_name(examine_cuda(Probe(failure="no libcuda.so.1"), no_pycuda, is_jetson=True, root=tmp_path))

    assert {found[name].status for name in ("NVIDIA driver", "pycuda", "GPU libraries")} == {"problem"}
    assert found["NVIDIA driver"].advice == (
        "sudo apt install nvidia-jetpack; in a container, start it with --runtime nvidia"
    )
    assert found["pycuda"].advice == (
        "TensorRT runs through it: pip install 'hyperflow[pycuda]', which compiles and needs the CUDA toolkit first"
    )


@pytest.mark.parametrize(
    ("settings", "is_jetson", "status"),
    [
        ("include-system-site-packages = false\n", True, "problem"),
        ("include-system-site-packages = false\n", False, "ok"),
        ("home = /usr/bin\ninclude-system-site-packages = true\n", True, "ok"),
        (None, True, "ok"),
    ],
)
def test_an_environment_that_hides_what_jetpack_brings_is_a_problem_on_a_jetson(
    settings: str | None, is_jetson: bool, status: str, tmp_path: Path
) -> None:
    if settings is not None:
        (tmp_path / "pyvenv.cfg").write_text(settings)

    found = by_name(examine_python(is_jetson=is_jetson, prefix=tmp_path))

    assert found["environment"].status == status
    assert found["numpy"].status == "ok"


def _random(file: Path) -> None:
    file.write_bytes(os.urandom(2048))


@pytest.mark.parametrize("spoil", [_random, Path.unlink, lambda file: file.write_text("\n")],
                         ids=["random", "absent", "blank"])  # fmt: skip
def test_no_garbage_brings_the_doctor_down(spoil: Callable[[Path], object], orin_nano: Path, tmp_path: Path) -> None:
    for file in [path for path in orin_nano.rglob("*") if path.is_file()]:
        spoil(file)

    report = examine(root=orin_nano, engine_cache=tmp_path / "cache")

    assert report.usable
    assert "please report this" not in str(report)


def test_a_jetson_with_nothing_to_see_from_python_has_the_problem_named(orin_nano: Path, tmp_path: Path) -> None:
    report = examine(root=orin_nano, engine_cache=tmp_path / "cache")
    found = by_name(finding for subject in report.subjects for finding in subject.findings)

    assert found["machine"].value.startswith("NVIDIA Jetson Orin Nano")
    assert found["onnxruntime"].status == "ok"
    assert report.count("problem") >= 1
    assert "onnxruntime" in report.backends
