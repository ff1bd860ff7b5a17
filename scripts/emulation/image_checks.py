"""What must be true of a built image."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emulation.comparing import Comparison, compare
from emulation.failure import ProofFailed
from emulation.images import ImageStore
from emulation.steps import Steps

__all__ = [
    "BuiltImage",
    "check_camera_parts",
    "check_configuration",
    "check_doctor",
    "check_pycuda_wheel",
    "check_user",
    "compare_answers",
    "run_checks",
]

_INSIDE = """
import cv2, json, numpy, re
print(json.dumps({
    "gstreamer": bool(re.search(r"GStreamer:\\s+YES", cv2.getBuildInformation())),
    "opencv": cv2.__version__,
    "numpy": numpy.__version__,
    "pipeline": cv2.VideoCapture("videotestsrc num-buffers=1 ! videoconvert ! video/x-raw,format=BGR ! appsink",
                                 cv2.CAP_GSTREAMER).read()[0],
}))
"""
_USER = """
import grp, json, os, pathlib
folders = [pathlib.Path(name) for name in ("/opt", "/data", "/models", "/home")]
print(json.dumps({
    "uid": os.getuid(),
    "groups": sorted({grp.getgrgid(number).gr_name for number in os.getgroups()}
                     | {group.gr_name for group in grp.getgrall() if "hyperflow" in group.gr_mem}),
    "writable": [name for name in ("/data", "/models", "/opt/hyperflow") if os.access(name, os.W_OK)],
    "engines": [str(file) for folder in folders for file in folder.rglob("*") if file.suffix in (".engine", ".plan")],
}))
"""


@dataclass(frozen=True)
class BuiltImage:
    """An image in a store.

    Attributes:
        store: Where it is.
        name: Of the image.
        architecture: Debian's name.
    """

    store: ImageStore
    name: str
    architecture: str

    def python(self, code: str, *, what: str) -> str:
        """Run Python code in the image, as its user, and give what it printed."""
        return self.store.run(self.name, self.architecture, "python", "-c", code, what=what)


def _need(holds: bool, text: str) -> None:
    if not holds:
        raise ProofFailed(text)


def check_configuration(image: BuiltImage) -> str:
    """User, entry point, volumes and health check are as documented.

    Raises:
        ProofFailed: One of them is not.
    """
    config = image.store.inspect(image.name)
    health = (config.get("Healthcheck") or {}).get("Test")
    _need(config["User"] == "hyperflow", f"the image runs as {config['User'] or 'root'!r}, not as hyperflow")
    _need(config["Entrypoint"] == ["hyperflow-runtime"], f"the entry point is {config['Entrypoint']}")
    _need(set(config["Volumes"] or ()) == {"/models", "/data"}, f"the volumes are {config['Volumes']}")
    _need(health == ["CMD", "hyperflow-runtime", "doctor", "--json"], f"the health check is {health}")
    return "user hyperflow, volumes /models and /data, health check hyperflow-runtime doctor"


def check_user(image: BuiltImage, *, groups: set[str]) -> str:
    """The user may write its data and nothing of the program, and no engine is inside.

    Raises:
        ProofFailed: It is root, lacks a group, may write more, or there is an engine.
    """
    found = json.loads(image.python(_USER, what="looking at the user"))
    _need(found["uid"] != 0, "the image runs as root")
    _need(groups <= set(found["groups"]), f"the user is in {found['groups']}, and needs {sorted(groups)}")
    _need(found["writable"] == ["/data", "/models"], f"the user may write {found['writable']}")
    _need(not found["engines"], f"engines are baked in, for another device: {found['engines']}")
    return f"user {found['uid']} in {', '.join(found['groups'])}; writes /data and /models alone; no engine inside"


def check_camera_parts(image: BuiltImage) -> str:
    """OpenCV is built with GStreamer, agrees with numpy, and reads a frame from a pipeline.

    Raises:
        ProofFailed: Otherwise.
    """
    found = json.loads(image.python(_INSIDE, what="looking at OpenCV").splitlines()[-1])
    _need(found["gstreamer"], f"OpenCV {found['opencv']} is built without GStreamer")
    _need(found["pipeline"], "OpenCV reads no frame from a GStreamer pipeline")
    return f"OpenCV {found['opencv']} with numpy {found['numpy']} read a frame from a GStreamer pipeline"


def check_doctor(image: BuiltImage) -> str:
    """The entry point shows its help, and the health check passes and finds onnxruntime usable.

    Raises:
        ProofFailed: Otherwise.
    """
    run = image.store.run
    help_text = run(image.name, image.architecture, "hyperflow-runtime", "--help", what="hyperflow-runtime --help")
    _need("doctor" in help_text, f"--help does not name the command doctor:\n{help_text}")
    command = ("hyperflow-runtime", "doctor", "--json")
    report = json.loads(run(image.name, image.architecture, *command, what=" ".join(command)))
    _need("onnxruntime" in str(report["backends"]), f"the doctor finds the backends {report['backends']}")
    return f"hyperflow-runtime doctor: usable with {', '.join(report['backends'])}"


def check_pycuda_wheel(image: BuiltImage) -> str:
    """The stage that compiles pycuda left a wheel with the compiled driver interface.

    Raises:
        ProofFailed: It did not.
    """
    code = (
        "import pathlib, zipfile\n"
        "for file in pathlib.Path('/wheels').glob('*.whl'): print(file.name, *zipfile.ZipFile(file).namelist())"
    )
    printed = image.store.run(image.name, image.architecture, "python3", "-c", code, what="looking for wheels")
    name, _, members = printed.partition(" ")
    is_compiled = name.startswith("pycuda-") and "pycuda/_driver." in members
    _need(is_compiled, f"no compiled pycuda in /wheels, which holds {name or 'nothing'}")
    return f"{name}, compiled with the CUDA of this machine"


def compare_answers(image: BuiltImage, bundle: Path, photos: Path, here: Path, work: Path, script: Path) -> Comparison:
    """Compare the answers of the image with those of this machine.

    Args:
        image: The image.
        bundle: Folder of the bundle.
        photos: Folder with `support` and `query`.
        here: What this machine answered.
        work: Folder for what the image answers.
        script: `answers.py`.

    Raises:
        ProofFailed: The image's runtime failed.
    """
    output = work / "out"
    output.mkdir(parents=True, exist_ok=True)
    output.chmod(0o777)  # the image's user is not this one
    image.store.run(
        image.name, image.architecture, "python", f"/models/{script.name}", f"/models/{bundle.name}", "/photos",
        "/out/answers.npz", what="the runtime in the image",
        binds=[(bundle.resolve(), f"/models/{bundle.name}", "ro"), (script.resolve(), f"/models/{script.name}", "ro"),
               (photos.resolve(), "/photos", "ro"), (output.resolve(), "/out", "rw")],
    )  # fmt: skip
    return compare(here, output / "answers.npz")


def run_checks(checks: list[tuple[str, Callable[[], str]]], steps: Steps) -> list[str]:
    """Run checks in order, and give the line that each of them leaves."""
    lines = []
    for name, check in checks:
        with steps.step(name):
            lines.append(check())
    return lines
