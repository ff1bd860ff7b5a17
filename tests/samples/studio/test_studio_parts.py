"""Parts of the studio's server by themselves: the map, guesses at the token, names of the host."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

STUDIO = Path(__file__).resolve().parents[3] / "samples/studio"


@pytest.fixture(autouse=True)
def studio_on_path() -> Iterator[None]:
    """Sample apps are folders, not packages: their modules are found from the folder of the entry script."""
    sys.path.insert(0, str(STUDIO))
    yield
    sys.path.remove(str(STUDIO))


def part(name: str) -> ModuleType:
    return importlib.import_module(f"server.{name}")


def test_the_map_keeps_far_things_apart_and_fills_its_square() -> None:
    rng = np.random.default_rng(0)
    centres = np.eye(40, dtype=np.float32)[:3]
    features = np.concatenate([centre + 0.01 * rng.normal(size=(5, 40)).astype(np.float32) for centre in centres])

    projection = part("projection").fit_projection(features)
    places = projection.place(features)

    assert np.abs(places).max() == pytest.approx(1)
    of_class = places.reshape(3, 5, 2)
    spread = np.linalg.norm(of_class - of_class.mean(1, keepdims=True), axis=-1).max()
    gaps = [np.linalg.norm(of_class[a].mean(0) - of_class[b].mean(0)) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert min(gaps) > 5 * spread
    assert sum(projection.explained) > 0.9


def test_the_map_depends_on_directions_not_on_lengths() -> None:
    features = np.random.default_rng(1).normal(size=(6, 9)).astype(np.float32)
    fit = part("projection").fit_projection

    assert fit(features).place(features) == pytest.approx(fit(7 * features).place(features), abs=1e-5)


def test_a_feature_outside_the_support_comes_to_the_edge_of_the_map() -> None:
    features = np.array([[1, 0.01, 0], [1, 0, 0.01], [1, 0.01, 0.01]], np.float32)
    place = part("projection").fit_projection(features).place(np.array([[-1, 5, 5]], np.float32))

    assert np.abs(place).max() == 1


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_shots_have_no_map(n: int) -> None:
    assert part("projection").fit_projection(np.ones((n, 4), np.float32)) is None


@pytest.mark.parametrize("n", [2, 5])
def test_equal_shots_lie_on_one_place_and_nothing_is_not_a_number(n: int) -> None:
    projection = part("projection").fit_projection(np.ones((n, 4), np.float32))

    assert np.allclose(projection.place(np.ones((n, 4), np.float32)), 0, atol=1e-3)
    assert projection.explained == pytest.approx((0, 0), abs=1e-6)


def test_guesses_are_forgotten_after_a_minute_and_counted_by_address() -> None:
    now = [0.0]
    gate = part("tokens").TokenGate("t" * 20, clock=lambda: now[0])
    for number in range(10):
        assert not gate.admits(f"guess {number}", "a")

    assert gate.wait_s("a") == 60
    assert gate.wait_s("b") == 0
    assert gate.admits("t" * 20, "b")
    now[0] = 61.0
    assert gate.wait_s("a") == 0


def test_addresses_that_guess_are_remembered_up_to_a_number() -> None:
    gate = part("tokens").TokenGate("t" * 20)
    for number in range(5000):
        gate.admits("guess", f"address {number}")

    assert len(gate._guesses) <= 1024


def test_tokens_that_are_made_differ_and_are_long_enough() -> None:
    tokens = part("tokens")

    made = {tokens.new_token() for _ in range(100)}

    assert len(made) == 100
    assert min(map(len, made)) >= 2 * tokens.LEAST_TOKEN_CHARACTERS


@pytest.mark.parametrize(
    ("bound", "host", "is_allowed"),
    [
        ("127.0.0.1", "127.0.0.1:8040", True),
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "192.168.1.5", False),
        ("127.0.0.1", "evil.example", False),
        ("::1", "[::1]:8040", True),
        ("0.0.0.0", "192.168.1.5:8040", True),
        ("0.0.0.0", "[fe80::1]:8040", True),
        ("0.0.0.0", "evil.example", False),
        ("192.168.1.5", "192.168.1.5:8040", True),
        ("192.168.1.5", "192.168.1.6:8040", False),
        ("board.lan", "BOARD.lan:8040", True),
    ],
)
def test_a_host_is_answered_when_nobody_can_make_it_point_here(bound: str, host: str, is_allowed: bool) -> None:
    assert part("hosts").names_of(bound).allow(host) is is_allowed


def test_the_history_forgets_what_the_session_could_not_take_back() -> None:
    history, cards = part("history"), part("cards")
    steps = history.History()
    for n_edits in (1, 60, 0, 50):
        steps.push(history.Step(cards.Cards(), None, n_edits))

    assert [steps.pop().n_edits for _ in range(len(steps))] == [50, 0]


def test_a_change_larger_than_the_sessions_memory_empties_the_history() -> None:
    history, cards = part("history"), part("cards")
    steps = history.History()
    steps.push(history.Step(cards.Cards(), None, 1))
    steps.push(history.Step(cards.Cards(), None, 101))

    assert len(steps) == 0
