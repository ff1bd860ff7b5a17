"""Keys mean the same wherever they come from."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

Load = Callable[[str], ModuleType]


@pytest.mark.parametrize(
    ("code", "key"),
    [
        (-1, None), (ord("1"), "1"), (ord("S"), "S"), (27, "\x1b"), (32, " "),
        (0x10FFB1, "1"), (0xFFB0, "0"), (0x100000 + ord("u"), "u"), (0xFF51, None), (0xFFE1, None),
    ],
)  # fmt: skip
def test_codes_of_qt_and_gtk_are_understood(load: Load, code: int, key: str | None) -> None:
    assert load("keys").key_from_code(code) == key


def test_every_key_of_the_help_does_something_and_capitals_do_the_same(load: Load) -> None:
    keys = load("keys")
    named = " ".join(names for names, _ in keys.HELP).replace("...", " ").split()

    assert {keys.action_of(keys.key_named(name)) for name in named} == set(keys.Action)
    assert keys.action_of("U") is keys.Action.UNDO
    assert keys.action_of("é") is None
    assert keys.key_named("enter") is None


def test_names_of_an_adaptation_come_first_and_the_rest_is_filled_up(load: Load) -> None:
    module = load("class_names")

    names = module.assigned_names(("pen", "mug"), ("mug", "background", "Löffel"))

    assert names[1] == "mug"
    assert names[2] == "Löffel"
    assert names[3] == "pen"
    assert names[4] == "thing 4"
    assert names[0] == "background"
    assert sorted(names) == list(range(10))


@pytest.mark.parametrize("text", ["mug,,pen", "mug,mug", ",".join(map(str, range(10)))])
def test_bad_names_are_refused(load: Load, text: str) -> None:
    with pytest.raises(ValueError, match="--names"):
        load("class_names").split_names(text)
