"""Scripts: what is pressed and shown when, and what is said of one that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Load = Callable[[str], ModuleType]


def played(load: Load, text: str, *, n_frames: int, fps: float = 10.0) -> dict[int, list[str]]:
    """Keys that are pressed, by frame."""
    script = load("script").parse_script(text)
    pressed = {index: script.due(index, index / fps) for index in range(n_frames)}
    return {index: [str(what) for what in due] for index, due in pressed.items() if due}


def test_keys_come_at_their_frame_or_at_their_time(load: Load) -> None:
    assert played(load, "2: 1, 0.5s: 2, 0: s, 7: space", n_frames=9) == {0: ["s"], 2: ["1"], 5: ["2"], 7: [" "]}


def test_a_held_key_is_pressed_with_every_frame_until_its_end(load: Load) -> None:
    assert played(load, "0.2s-0.5s: 1", n_frames=9) == {2: ["1"], 3: ["1"], 4: ["1"]}
    assert played(load, "2 - 4 : 0", n_frames=9) == {2: ["0"], 3: ["0"]}


def test_a_step_whose_frame_was_missed_comes_with_the_next(load: Load) -> None:
    script = load("script").parse_script("3: 1\n4: 2")

    assert script.due(0, 0.0) == []
    assert script.due(9, 0.9) == ["1", "2"]
    assert script.due(10, 1.0) == []


def test_scenes_are_named_as_people_say_them(load: Load) -> None:
    module = load("script")

    script = module.parse_script("# a comment\n0: show mug   # and another\n\n1s: show nothing, 2s: show in turn")

    assert script.due(100, 10.0) == [module.Show("mug"), module.Show(None), module.Show(None, in_turn=True)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no step"),
        ("# nothing but a comment", "no step"),
        ("1s 1", "WHEN: WHAT"),
        ("-1: 1", "WHEN: WHAT"),
        ("1s: x", "'x' is no key"),
        ("1s: 12", "'12' is no key"),
        ("1s: show", "no key"),
        ("1.5: 1", "whole"),
        ("999999s: 1", "at most"),
        ("2s-1s: 1", "after the start"),
        ("1-2s: 1", "both"),
        ("1s-2s: show mug", "only keys"),
        ("0: 1\n1: 2\n2: ?!", "line 3"),
    ],
)
def test_a_step_that_cannot_be_read_is_named(load: Load, text: str, reason: str) -> None:
    module = load("script")

    with pytest.raises(module.ScriptError, match=reason):
        module.parse_script(text)


def test_a_script_is_given_as_text_or_as_a_file(load: Load, tmp_path: Path) -> None:
    module, file = load("script"), tmp_path / "demo.keys"
    file.write_text("2: ü\n".replace("ü", "u"), encoding="utf-8")
    (tmp_path / "long").write_bytes(b"#" * 200_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe1: 1")

    assert module.read_script(str(file)).due(2, 0.0) == ["u"]
    assert module.read_script("2: u").due(2, 0.0) == ["u"]
    for name, reason in (("absent", "neither a script"), ("long", "100000 bytes"), ("binary", "neither a script")):
        with pytest.raises(module.ScriptError, match=reason):
            module.read_script(str(tmp_path / name))
