#!/usr/bin/env python3
"""Prove that the runtime works on arm64: its tests, and the same answers as on this machine.

A small Debian for arm64 is made once by debootstrap and runs through qemu-user. The base install of the project goes
into it from aarch64 wheels; then the runtime's tests run there, and a bundle learns and answers on both machines from
the same photos. Debian 12 has Python 3.11; that wheels exist for Python 3.10 of JetPack 6 is checked apart. A second
run finds the system, the wheels and the environment in the cache.

Example:
  sudo .venv/bin/python scripts/check_arm64.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from emulation.binfmt import enable_aarch64
from emulation.cache import only_one_run
from emulation.chroot import Bind
from emulation.comparing import Comparison, compare
from emulation.debian_root import debian_root
from emulation.demo import answers_here, demo_bundle, demo_photos
from emulation.environment import Environment, make_environment
from emulation.options import PROJECT, parser_of, run_proof
from emulation.programs import need_root_and
from emulation.steps import Steps
from emulation.wheels import fetch_wheels

_OLDEST_PYTHON = "3.10"  # of JetPack 6
_TESTS = ("tests/runtime",)
_NEEDS_ONNX = "tests/runtime/tensorrt"  # a stand-in of TensorRT reads graphs with onnx, which no device has
_CRASHES = "crash or SEGV"  # qemu adds a line of its own where a program crashes, and these tests read all lines
# Threads, long random walks and imports say nothing of a processor, and take many minutes under emulation.
_TAKES_LONG = (
    "tests/runtime/live", "tests/runtime/test_purity.py", "tests/runtime/test_session_any_order.py",
    "tests/runtime/test_session_threads.py",
)  # fmt: skip


def _run_tests(environment: Environment, tests: list[str], log: Path, steps: Steps) -> str:
    """Run tests inside and give pytest's last line."""
    with steps.step(f"tests on arm64: {' '.join(tests)}"):
        environment.run(
            "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/mnt/project/pyproject.toml",
            "--rootdir", "/mnt/project", "-k", f"not ({_CRASHES})",
            *(f"--ignore=/mnt/project/{path}" for path in (_NEEDS_ONNX, *_TAKES_LONG)),
            *(f"/mnt/project/{test}" for test in tests), what="the runtime's tests on arm64", log=log,
        )  # fmt: skip
    return log.read_text().splitlines()[-1].strip("= ")


def _compare_answers(environment: Environment, arguments: argparse.Namespace, steps: Steps) -> Comparison:
    bundle = demo_bundle(arguments.bundle, PROJECT, steps)
    photos = demo_photos(arguments.cache / "photos", PROJECT, steps)
    work = environment.work
    with steps.step("answers on this machine"):
        here = answers_here(bundle, photos, work / "answers-here.npz")
    with steps.step("answers on arm64"):
        environment.run(
            "/mnt/project/scripts/emulation/answers.py", f"/mnt/bundle/{bundle.name}", "/mnt/photos",
            "/mnt/work/answers-arm64.npz", what="the runtime on arm64",
            more=[Bind(bundle.parent, "bundle"), Bind(photos, "photos")],
        )  # fmt: skip
    return compare(here, work / "answers-arm64.npz")


def _prove(arguments: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    steps = Steps()
    need_root_and("debootstrap", "unshare", "qemu-aarch64-static")
    enable_aarch64()
    with only_one_run(arguments.cache):
        root = debian_root(arguments.cache, arguments.suite, "arm64", arguments.mirror, steps)
        environment = make_environment(root, arguments.cache / "work" / root.name, PROJECT, steps)
        with steps.step(f"wheels exist for Python {_OLDEST_PYTHON} on aarch64"):
            wheel = next((environment.work / "project-wheel").glob("*.whl"))
            fetch_wheels(wheel, arguments.cache / "work" / f"wheels-{_OLDEST_PYTHON}", python_version=_OLDEST_PYTHON)
        tests = None
        if arguments.tests:
            tests = _run_tests(environment, arguments.tests, arguments.cache / "logs/tests-arm64.log", steps)
        comparison = _compare_answers(environment, arguments, steps)
    system = f"Debian {root.suite} arm64, Python {root.python_version}"
    text = "\n".join(
        [f"System: {system}", *([f"Tests: {tests}"] if tests else []),
         f"The same photos on both machines, {arguments.bundle.name}:", comparison.table(), "Steps:", steps.table()]
    )  # fmt: skip
    result = {**comparison.as_json(), "system": system, "tests": tests, "seconds": steps.seconds}
    return text, result


def main() -> None:
    """Parse the options and run the proof."""
    parser = parser_of(__doc__ or "")
    parser.add_argument(
        "--tests", nargs="*", default=list(_TESTS), metavar="PATH",
        help=f"tests to run there, none with an empty list (default {' '.join(_TESTS)})",
    )  # fmt: skip
    arguments = parser.parse_args()
    run_proof(lambda: _prove(arguments), as_json=arguments.json)


if __name__ == "__main__":
    main()
