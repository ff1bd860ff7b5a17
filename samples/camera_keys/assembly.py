"""From the command line to a run: opens everything, and closes it whatever happens."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from class_names import assigned_names, split_names
from hyperflow_runtime import open_bundle
from hyperflow_runtime.cameras.camera import Camera
from hyperflow_runtime.cameras.opening import open_camera
from hyperflow_runtime.cameras.options import CameraOptions, Flip
from journal import Journal
from overlay import Overlay
from script import Script, ScriptError, read_script
from teacher import Teacher
from teaching import KeySource, Limits, Screen, Teaching
from terminal import TerminalKeys
from video import VideoFile
from window import Window

__all__ = ["Wishes", "run"]

_USUAL_FPS = 30.0


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for; see the options of `teach.py`."""

    bundle: Path
    camera: str
    adaptation: Path | None
    save: Path
    names: str
    headless: bool
    script: str | None
    every_frame: bool
    video: Path | None
    seconds: float | None
    frames: int | None
    as_json: bool
    width: int | None
    height: int | None
    fps: float | None
    flip: Flip
    fullscreen: bool

    @property
    def is_in_step(self) -> bool:
        """Whether time is counted in frames, each of which waits until the last is dealt with."""
        return self.every_frame or (self.headless and self.script is not None)


def run(wishes: Wishes) -> None:
    """Teach, until a key, a limit or the end of the source.

    Raises:
        HyperflowRuntimeError: The bundle, the adaptation or the camera cannot be used.
        RuntimeError: No window, or no video.
        ValueError: Bad names, or a script that cannot be read.
    """
    script = Script() if wishes.script is None else read_script(wishes.script)
    wanted_names = split_names(wishes.names)
    journal = Journal(as_json=wishes.as_json, is_silent=not (wishes.headless or wishes.as_json))
    with ExitStack() as stack:
        video = VideoFile(wishes.video) if wishes.video else None
        window = None if wishes.headless else stack.enter_context(Window(fullscreen=wishes.fullscreen))
        model = stack.enter_context(open_bundle(wishes.bundle))
        session = model.session(wishes.adaptation, bake=not wishes.is_in_step)
        camera = stack.enter_context(open_camera(wishes.camera, _camera_options(wishes)))
        _check_scenes(script, camera)
        names = assigned_names(wanted_names, session.labels)
        teacher = stack.enter_context(Teacher(session, names, journal, save_to=wishes.save, in_step=wishes.is_in_step))
        keys: list[KeySource] = [window or stack.enter_context(TerminalKeys())]
        screens: list[Screen] = [window] if window else []
        if video is not None:
            video.fps = camera.nominal_fps or wishes.fps or _USUAL_FPS
            screens.append(stack.enter_context(video))
        rule = model.manifest.preprocessing
        overlay = Overlay(None if rule.resize == "squash" else rule.crop_fraction)
        teaching = Teaching(camera, session, teacher, journal, overlay)
        fps = (camera.nominal_fps or _USUAL_FPS) if wishes.is_in_step else None
        try:
            teaching.run(script, keys, screens, fps=fps, limits=Limits(wishes.seconds, wishes.frames))
        finally:
            if teacher.has_unsaved:
                click.echo("The adaptation was not saved; the key s saves it.", err=True)


def _camera_options(wishes: Wishes) -> CameraOptions:
    return CameraOptions(
        width=wishes.width, height=wishes.height, fps=wishes.fps, flip=wishes.flip,
        pace="reader" if wishes.is_in_step else "clock",
    )  # fmt: skip


def _check_scenes(script: Script, camera: Camera) -> None:
    if not script.needs_scene:
        return
    if camera.stage is None:
        raise ScriptError("the script shows things, but this camera has no scene to change; use --camera synthetic://")
    unknown = [thing for thing in script.things if thing not in camera.stage.things]
    if unknown:
        raise ScriptError(f"the scene has no {unknown[0]!r:.80} to show; it has {', '.join(camera.stage.things)}")
