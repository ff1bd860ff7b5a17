"""The board, on a copy of a Jetson's files and tools, on this machine, and on garbage."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperflow_runtime.board.clocks import Clock, read_clocks, read_governors
from hyperflow_runtime.board.conditions import Conditions, read_conditions
from hyperflow_runtime.board.debian import debian_packages
from hyperflow_runtime.board.identity import describe_board, l4t_release
from hyperflow_runtime.board.memory import read_memory
from hyperflow_runtime.board.power import PowerMode, read_power_mode
from hyperflow_runtime.board.reading import read_number, read_text
from hyperflow_runtime.board.tool import find_tool, run_command, run_tool


def write_tool(root: Path, name: str, script: str) -> None:
    tool = root / "usr/sbin" / name
    tool.parent.mkdir(parents=True, exist_ok=True)
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


def test_a_jetson_is_known_by_its_files(orin_nano: Path) -> None:
    board = describe_board(orin_nano)

    assert board.model == "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"
    assert board.l4t == "36.4.3"
    assert board.is_jetson
    assert board.memory_bytes == 7802912 * 1024
    assert board.slug == "jetson-orin-nano-engineering-reference-developer-kit-super-8-gb"


def test_boards_of_one_name_with_other_memory_have_other_slugs(orin_nano: Path) -> None:
    meminfo = orin_nano / "proc/meminfo"
    meminfo.write_text(meminfo.read_text().replace("7802912", "3602912"))

    assert describe_board(orin_nano).slug.endswith("super-4-gb")


def test_this_machine_is_described_by_its_processor_and_cores() -> None:
    board = describe_board()

    assert board.n_cores == len(os.sched_getaffinity(0))
    assert board.memory_bytes > 2**28
    if board.model is None:
        assert board.slug.endswith(f"-{board.n_cores}-cores")


@pytest.mark.parametrize(
    ("named", "slug"),
    [("AMD EPYC", "epyc"), ("Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz", "core-i7-8700-cpu-3-20ghz")],
)
def test_a_slug_leaves_out_the_maker(named: str, slug: str, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(f"processor\t: 0\nmodel name\t: {named}\nstepping\t: 1\n")
    board = describe_board(tmp_path)

    assert board.processor == named
    assert board.slug == f"{slug}-{board.n_cores}-cores"


def test_the_release_comes_from_the_package_where_a_container_hides_the_file(orin_nano: Path) -> None:
    (orin_nano / "etc/nv_tegra_release").unlink()

    assert l4t_release(orin_nano) is None
    assert l4t_release(orin_nano, debian_packages(orin_nano)) == "36.4.3"


def test_only_installed_packages_are_listed(orin_nano: Path) -> None:
    packages = debian_packages(orin_nano)

    assert packages["nvidia-jetpack"] == "6.2+b77"
    assert packages["cuda-toolkit-12-6"] == "12.6.11-1"
    assert "libnvinfer8" not in packages
    assert len(packages) == 7


@pytest.mark.skipif(not Path("/var/lib/dpkg/status").is_file(), reason="not a Debian system")
def test_packages_are_those_that_dpkg_lists() -> None:
    listed = run_tool("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n", timeout_s=60)
    assert listed is not None
    expected = {line.split(" ", 2)[1]: line.split(" ", 2)[2] for line in listed.output.splitlines()
                if line.startswith("installed ")}  # fmt: skip

    assert debian_packages() == expected


def test_memory_is_read_in_bytes(orin_nano: Path) -> None:
    memory = read_memory(orin_nano)

    assert memory is not None
    assert memory.available_bytes == 5230544 * 1024
    assert (memory.swap_bytes, memory.swap_free_bytes) == (3901440 * 1024, 3801440 * 1024)
    assert memory.gpu_bytes == 805068 * 1024


def test_the_power_mode_and_the_top_one_are_read(orin_nano: Path) -> None:
    assert read_power_mode(orin_nano) == PowerMode("25W", top="MAXN_SUPER", top_id=2)


@pytest.mark.parametrize(
    ("names", "top"),
    [
        (("MAXN", "MODE_15W", "MODE_30W", "MODE_50W"), "MAXN"),
        (("15W", "7W"), "15W"),
        (("10W", "15W", "25W", "40W", "MAXN_SUPER"), "MAXN_SUPER"),
        (("120W", "90W"), "120W"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_top_mode_is_the_one_without_a_limit_or_with_most_watts(
    names: tuple[str, ...], top: str, orin_nano: Path
) -> None:
    lines = [f"< POWER_MODEL ID={index} NAME={name} >" for index, name in enumerate(names)]
    (orin_nano / "etc/nvpmodel.conf").write_text("\n".join(lines))

    mode = read_power_mode(orin_nano)

    assert mode is not None
    assert (mode.top, mode.top_id) == (top, names.index(top))
    assert not mode.is_top


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ("echo 'NVPM ERROR: permission denied' >&2; exit 13", "exit code 13: NVPM ERROR: permission denied"),
        ("kill -SEGV $$", "ended by SIGSEGV: nothing said"),
        ("echo something else", "it says 'something else'"),
    ],
)
def test_a_power_tool_that_does_not_say_is_quoted(script: str, failure: str, orin_nano: Path) -> None:
    write_tool(orin_nano, "nvpmodel", script)

    mode = read_power_mode(orin_nano)

    assert mode is not None
    assert mode.name is None
    assert mode.failure == failure
    assert not mode.is_top


def test_there_is_no_power_mode_without_its_tool(tmp_path: Path) -> None:
    assert read_power_mode(tmp_path) is None


def test_clocks_and_governors_are_read(orin_nano: Path) -> None:
    assert read_governors(orin_nano) == ("schedutil",)
    assert read_clocks(orin_nano) == (Clock("cpu", 729.6, 1344.0, False), Clock("gpu", 306.0, 918.0, False))


def test_conditions_warn_of_what_makes_figures_slow_or_unsteady(orin_nano: Path) -> None:
    (orin_nano / "proc/loadavg").write_text("1.52 0.13 0.09 2/412 20811\n")

    assert read_conditions(orin_nano).warnings() == (
        "power mode 25W, not MAXN_SUPER: sudo nvpmodel -m 2",
        "CPU governor schedutil, not performance: sudo jetson_clocks",
        "load 1.52, above 0.5: end other programs and wait a minute",
    )


def test_held_clocks_and_the_top_mode_need_no_warning(orin_nano: Path) -> None:
    write_tool(orin_nano, "nvpmodel", "echo 'NV Power Mode: MAXN_SUPER'; echo 2")
    for least in (orin_nano / "sys/devices/system/cpu").glob("cpu*/cpufreq/scaling_min_freq"):
        least.write_text("1344000\n")

    conditions = read_conditions(orin_nano)

    assert conditions.is_steady
    assert conditions.warnings() == ()


def test_a_workstation_is_told_of_its_own_tool() -> None:
    warnings = Conditions(None, ("performance", "powersave"), (), 0.1).warnings()

    assert warnings == (
        "CPU governor performance, powersave, not performance: sudo cpupower frequency-set -g performance",
    )
    assert Conditions(None, ("performance",), (), 0.5).warnings() == ()


def _is_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _is_a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _is_a_loop(file: Path) -> None:
    file.unlink()
    file.symlink_to(file)


SPOILT: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "random bytes": lambda file: file.write_bytes(os.urandom(4096)),
    "NULs": lambda file: file.write_bytes(bytes(4096)),
    "absent": lambda file: file.unlink(),
    "a folder": _is_a_folder,
    "a pipe that nobody writes to": _is_a_pipe,
    "a link to itself": _is_a_loop,
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_garbage_in_every_file_is_as_good_as_absence(spoil: Callable[[Path], object], orin_nano: Path) -> None:
    for file in [path for path in orin_nano.rglob("*") if path.is_file()]:
        spoil(file)

    board, conditions = describe_board(orin_nano, debian_packages(orin_nano)), read_conditions(orin_nano)

    assert (board.l4t, board.memory_bytes) == (None, 0)
    assert conditions.clocks == ()
    assert conditions.power_mode is None or conditions.power_mode.name is None


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        text, number = read_text(Path(file.name)), read_number(Path(file.name))

    assert text is None or (text and text == text.strip("\0 \t\r\n"))
    assert number is None or (text is not None and number == int(text))


def test_a_tool_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    left = tmp_path / "left"
    command = ["/bin/sh", "-c", f"(sleep 3; touch {left}) & sleep 60"]
    start = time.monotonic()

    run = run_command(command, timeout_s=0.5)

    assert (run.output, run.failure) == ("", "no answer within 0.5 s")
    assert time.monotonic() - start < 3
    time.sleep(3.2)
    assert not left.exists()


def test_a_file_that_is_no_program_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/nvpmodel").write_bytes(b"\x7fELF garbage")
    (tmp_path / "usr/bin/nvpmodel").chmod(0o755)

    run = run_tool("nvpmodel", "-q", root=tmp_path)

    assert run is not None
    assert run.failure == "cannot be run (Exec format error)"


def test_a_tool_beside_the_path_is_found_only_where_that_is_wanted(
    orin_nano: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:relative")

    assert find_tool("nvpmodel", orin_nano) == orin_nano / "usr/sbin/nvpmodel"
    assert find_tool("nvpmodel", orin_nano, on_path_only=True) is None
    assert find_tool("jetson_clocks", orin_nano, on_path_only=True) == orin_nano / "usr/bin/jetson_clocks"
