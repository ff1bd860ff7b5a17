"""The loop around every training: its log, its state, and when it refuses to go on."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hyperflow.errors import TrainingError
from hyperflow.training.cost import Spent
from hyperflow.training.loop import LoopOptions, one_cycle, run_loop
from hyperflow.training.state import load_optimizer, load_state, optimizer_tensors, save_state


class Counter:
    """A training whose state is the sum of the numbers of its steps."""

    def __init__(self, *, stop_at: int = -1, spoil_at: int = -1) -> None:
        self.total = torch.zeros(())
        self.steps: list[int] = []
        self._stop_at, self._spoil_at = stop_at, spoil_at

    def step(self, index: int) -> dict[str, float]:
        if index == self._stop_at:
            raise KeyboardInterrupt
        self.total = self.total + index
        self.steps.append(index)
        return {"loss": math.nan if index == self._spoil_at else float(index)}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self.total = tensors["total"]

    def run(self, options: LoopOptions) -> Counter:
        run_loop(options, step=self.step, state=lambda: {"total": self.total}, restore=self.restore)
        return self


@pytest.fixture
def options(tmp_path: Path) -> LoopOptions:
    return LoopOptions(tmp_path / "run", n_steps=10, log_every=4, save_every=3, quiet=True)


def _log(options: LoopOptions) -> list[dict[str, float]]:
    return [json.loads(line) for line in (options.folder / "log.jsonl").read_text().splitlines()]


def test_a_run_does_every_step_and_logs_means_since_the_last_line(options: LoopOptions) -> None:
    counter = Counter().run(options)

    assert counter.steps == list(range(10))
    assert [(line["step"], line["loss"]) for line in _log(options)] == [(4, 1.5), (8, 5.5), (10, 8.5)]
    assert all(line["steps_per_s"] > 0 for line in _log(options))
    tensors, done = load_state(options.folder / "state.safetensors")
    assert (tensors["total"].item(), done) == (45.0, 10)
    assert sorted(file.name for file in options.folder.iterdir()) == ["log.jsonl", "state.safetensors"]


@pytest.mark.parametrize(("stop_at", "resumes_at"), [(3, 3), (5, 3), (9, 9)])
def test_an_interrupted_run_goes_on_from_its_last_saved_state(
    options: LoopOptions, stop_at: int, resumes_at: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        Counter(stop_at=stop_at).run(options)

    resumed = Counter().run(dataclasses.replace(options, resume=True))

    assert resumed.steps == list(range(resumes_at, 10))
    assert resumed.total.item() == 45


def test_resuming_a_finished_run_changes_nothing(options: LoopOptions) -> None:
    Counter().run(options)

    resumed = Counter().run(dataclasses.replace(options, resume=True))

    assert resumed.steps == []
    assert resumed.total.item() == 45


def test_a_folder_that_holds_a_run_is_refused(options: LoopOptions) -> None:
    Counter().run(options)
    before = (options.folder / "state.safetensors").read_bytes()

    with pytest.raises(TrainingError, match="already holds a run; add --resume to go on, or name another folder"):
        Counter().run(options)

    assert (options.folder / "state.safetensors").read_bytes() == before


def test_there_must_be_a_state_to_resume_from(options: LoopOptions) -> None:
    with pytest.raises(TrainingError, match=r"cannot resume from .*state.safetensors .*; start again without --resume"):
        Counter().run(dataclasses.replace(options, resume=True))


@pytest.mark.parametrize("kept", [0, 7, 60])
def test_a_torn_state_is_refused(options: LoopOptions, kept: int) -> None:
    Counter().run(options)
    path = options.folder / "state.safetensors"
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(TrainingError, match=r"cannot resume from .*state.safetensors"):
        Counter().run(dataclasses.replace(options, resume=True))


def test_tensors_without_a_step_are_no_state(options: LoopOptions) -> None:
    options.folder.mkdir()
    save_file({"total": torch.zeros(())}, options.folder / "state.safetensors")

    with pytest.raises(TrainingError, match=r"cannot resume from .*state.safetensors"):
        Counter().run(dataclasses.replace(options, resume=True))


def test_the_state_of_another_run_is_refused(options: LoopOptions) -> None:
    options.folder.mkdir()
    save_state(options.folder / "state.safetensors", {"weight": torch.zeros(3)}, 4)

    with pytest.raises(TrainingError, match=r"state.safetensors is the state of another run; resume with the data"):
        Counter().run(dataclasses.replace(options, resume=True))


def test_time_is_counted_over_an_interruption(options: LoopOptions) -> None:
    def spent_on(counter: Counter, **changes: bool) -> Spent:
        return run_loop(
            dataclasses.replace(options, **changes),
            step=counter.step,
            state=lambda: {"total": counter.total},
            restore=counter.restore,
        )

    first = spent_on(Counter())
    saved = Spent(*load_state(options.folder / "state.safetensors")[0]["loop.spent"].tolist())
    again = spent_on(Counter(), resume=True)  # has no step left to do

    assert 0 < saved.cpu_seconds <= first.cpu_seconds
    assert 0 < saved.seconds < again.seconds
    assert saved.cpu_seconds < again.cpu_seconds


def test_a_figure_that_is_not_finite_ends_the_run_before_it_is_saved(options: LoopOptions) -> None:
    counter = Counter(spoil_at=6)

    message = r"step 7: .*nan.* is not finite; the last good state is that after step 6: lower the learning rate"
    with pytest.raises(TrainingError, match=message):
        counter.run(options)

    assert load_state(options.folder / "state.safetensors")[1] == 6
    assert _log(options)[-1]["step"] == 4


def test_a_slow_run_saves_by_the_clock(options: LoopOptions) -> None:
    by_the_clock = dataclasses.replace(options, save_every=10**6, save_every_s=0.0)

    with pytest.raises(KeyboardInterrupt):
        Counter(stop_at=7).run(by_the_clock)

    assert load_state(options.folder / "state.safetensors")[1] == 7


def test_a_validation_is_logged_and_can_end_the_run_which_then_counts_as_finished(options: LoopOptions) -> None:
    counter, scores = Counter(), iter([0.5, 0.6, 0.4])

    def validate() -> tuple[dict[str, float], bool]:
        score = next(scores)
        return {"gen": score}, score < 0.5

    run_loop(
        dataclasses.replace(options, validate_every=2),
        step=counter.step,
        state=lambda: {"total": counter.total},
        restore=counter.restore,
        validate=validate,
    )

    assert [(line["step"], line["gen"]) for line in _log(options) if "gen" in line] == [(2, 0.5), (4, 0.6), (6, 0.4)]
    assert counter.steps == list(range(6))
    assert load_state(options.folder / "state.safetensors")[1] == 10
    assert Counter().run(dataclasses.replace(options, resume=True)).steps == []


def test_a_worker_that_is_not_the_first_leaves_no_state(options: LoopOptions) -> None:
    options.folder.mkdir()
    Counter().run(dataclasses.replace(options, writes=False))

    assert not (options.folder / "state.safetensors").exists()
    assert _log(options) == []


def test_the_rate_rises_in_a_line_and_falls_in_half_a_cosine() -> None:
    rates = [one_cycle(step, 100, 2.0, warm_up=0.1) for step in range(100)]

    assert rates[:9] == pytest.approx([2.0 * (step + 1) / 10 for step in range(9)])
    assert rates[9] == pytest.approx(2.0)
    assert rates[54] == pytest.approx(2.0 * (0.01 + 0.99 * 0.5))  # half way down
    assert rates[99] == pytest.approx(0.02)
    assert rates[9:] == sorted(rates[9:], reverse=True)


@pytest.mark.parametrize("n_steps", [1, 2, 7])
def test_the_rate_of_a_short_run_is_above_zero_and_at_most_the_peak(n_steps: int) -> None:
    assert all(0 < one_cycle(step, n_steps, 0.5) <= 0.5 for step in range(n_steps))


def test_an_optimiser_put_back_takes_the_same_next_step(tmp_path: Path) -> None:
    def optimiser_of(weight: torch.Tensor) -> torch.optim.Optimizer:
        return torch.optim.AdamW([weight], lr=0.1, weight_decay=0.3)

    def take_step(weight: torch.Tensor, optimiser: torch.optim.Optimizer, target: float) -> None:
        optimiser.zero_grad()
        weight.grad = 2 * (weight.detach() - target)
        optimiser.step()

    weight = torch.ones(4, requires_grad=True)
    optimiser = optimiser_of(weight)
    for target in (3.0, -2.0, 0.5):
        take_step(weight, optimiser, target)
    copy = weight.detach().clone().requires_grad_()
    restored = optimiser_of(copy)
    save_state(tmp_path / "state", {**optimizer_tensors(optimiser), "weight": weight}, 3)
    load_optimizer(restored, load_state(tmp_path / "state")[0])
    fresh_copy = weight.detach().clone().requires_grad_()

    take_step(weight, optimiser, 1.0)
    take_step(copy, restored, 1.0)
    take_step(fresh_copy, optimiser_of(fresh_copy), 1.0)

    assert torch.equal(copy, weight)
    assert not torch.equal(fresh_copy, weight)
