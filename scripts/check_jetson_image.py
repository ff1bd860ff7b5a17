#!/usr/bin/env python3
"""Build the images of Dockerfile.jetson and Dockerfile without Docker or a Jetson, and prove what they promise.

Both are built by buildah on small Debian systems made by debootstrap, for arm64 (through qemu-user) and for this
machine: the same files, with another BASE_IMAGE. There is no CUDA in such a base, so the step that compiles pycuda
finds no nvcc and says so, and the images run with onnxruntime. Then programs run in them: the health check, OpenCV
with a GStreamer pipeline, the user's rights, and a bundle that must answer as it does on this machine. Where this
machine has a CUDA toolkit, the stage that compiles pycuda is built with it as well. A second run finds the layers in
the cache.

Example:
  sudo .venv/bin/python scripts/check_jetson_image.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from emulation.binfmt import enable_aarch64
from emulation.cache import only_one_run
from emulation.comparing import Comparison
from emulation.demo import answers_here, demo_bundle, demo_photos
from emulation.image_building import NATIVE, ImageBuilder
from emulation.image_checks import (
    BuiltImage,
    check_camera_parts,
    check_configuration,
    check_doctor,
    check_pycuda_wheel,
    check_user,
    compare_answers,
    run_checks,
)
from emulation.options import PROJECT, parser_of, run_proof
from emulation.programs import need_root_and
from emulation.steps import Steps

_ANSWERS = Path(__file__).resolve().parent / "emulation/answers.py"
_JETSON = "Dockerfile.jetson"
_CUDA = Path("/usr/local/cuda")
_CUDA_PARTS = ("bin/nvcc", "include/cuda.h", "lib64/stubs/libcuda.so")


def _check(image: BuiltImage, title: str, steps: Steps) -> list[str]:
    is_jetson = title == _JETSON
    groups = {"video", "render"} if is_jetson else set()
    checks = [
        (f"{title}: configuration", lambda: check_configuration(image)),
        (f"{title}: user", lambda: check_user(image, groups=groups)),
        *([(f"{title}: OpenCV and GStreamer", lambda: check_camera_parts(image))] if is_jetson else []),
        (f"{title}: health check", lambda: check_doctor(image)),
    ]
    return run_checks(checks, steps)


def _pycuda_lines(builder: ImageBuilder, cuda: Path) -> list[str]:
    missing = [name for name in _CUDA_PARTS if not (cuda / name).exists()]
    if missing:
        return [f"pycuda: not compiled, {cuda} of this machine has no {' and no '.join(missing)}"]
    stage = builder.build(_JETSON, NATIVE, stage="pycuda", cuda=cuda)
    return [f"pycuda for {NATIVE}: {check_pycuda_wheel(stage)}"]


def _prove(arguments: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    steps = Steps()
    need_root_and("debootstrap", "unshare", "buildah", "qemu-aarch64-static")
    enable_aarch64()
    text: list[str] = []
    images: dict[str, Any] = {}
    with only_one_run(arguments.cache):
        bundle = demo_bundle(arguments.bundle, PROJECT, steps)
        photos = demo_photos(arguments.cache / "photos", PROJECT, steps)
        work = arguments.cache / "work"
        with steps.step("answers on this machine"):
            work.mkdir(exist_ok=True)
            here = answers_here(bundle, photos, work / "answers-here.npz")
        builder = ImageBuilder(PROJECT, arguments.cache, arguments.suite, arguments.mirror, steps)
        for dockerfile in arguments.dockerfiles:
            image = builder.build(dockerfile, "arm64" if dockerfile == _JETSON else NATIVE)
            lines = _check(image, dockerfile, steps)
            if dockerfile == _JETSON:
                lines += _pycuda_lines(builder, arguments.cuda)
            with steps.step(f"{dockerfile}: answers"):
                comparison: Comparison = compare_answers(image, bundle, photos, here, work / dockerfile, _ANSWERS)
            text += [f"{dockerfile} for {image.architecture}:", *(f"  {line}" for line in lines), comparison.table()]
            images[dockerfile] = {"holds": lines, **comparison.as_json()}
    agrees = all(image["agrees"] for image in images.values())
    text += ["Steps:", steps.table()]
    return "\n".join(text), {"agrees": agrees, "images": images, "seconds": steps.seconds}


def main() -> None:
    """Parse the options and run the proof."""
    parser = parser_of(__doc__ or "")
    names = (_JETSON, "Dockerfile")
    parser.add_argument(
        "--dockerfiles", nargs="+", choices=names, default=list(names), help="which to build (default both)"
    )
    parser.add_argument("--cuda", type=Path, default=_CUDA, help=f"CUDA toolkit of this machine (default {_CUDA})")
    arguments = parser.parse_args()
    run_proof(lambda: _prove(arguments), as_json=arguments.json)


if __name__ == "__main__":
    main()
