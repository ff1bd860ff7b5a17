"""Memory and multiply-accumulates of adapting once, by each method, on one task."""

from __future__ import annotations

from collections.abc import Sequence

from torch.utils.flop_counter import FlopCounterMode

from hyperflow.evaluation.methods import Task
from hyperflow.evaluation.peak_memory import PeakMemory, returning_freed_memory
from hyperflow.evaluation.records import MeasuredCost
from hyperflow.evaluation.subjects import Subject

__all__ = ["measure_costs"]

_MEASURED_STEPS = 3  # of fine-tuning: memory no longer grows once the optimiser's state is there


def _macs(subject: Subject, task: Task, method: str, n_steps: int | None) -> float:
    adapt = subject.adaptation(task, method, n_steps=n_steps)
    with FlopCounterMode(display=False) as counter:
        adapt()
    return float(counter.get_total_flops()) / 2


def _all_macs(subject: Subject, task: Task, method: str) -> float | None:
    """Half the floating-point operations of convolutions and matrix products, forward and backward.

    Every step of fine-tuning does the same, so two runs of one and two steps tell about all.
    """
    n_steps = subject.n_tuning_steps(method)
    if n_steps <= 2:
        return _macs(subject, task, method, None) or None
    one, two = (_macs(subject, task, method, n) for n in (1, 2))
    return one + (n_steps - 1) * (two - one)


def _peak_mb(subject: Subject, task: Task, method: str) -> float:
    n_steps = subject.n_tuning_steps(method)
    adapt = subject.adaptation(task, method, n_steps=min(n_steps, _MEASURED_STEPS) or None)
    with PeakMemory() as memory:
        adapt()
    return memory.increase_mb


def measure_costs(subject: Subject, task: Task, methods: Sequence[str]) -> dict[str, MeasuredCost]:
    """Measure adapting by some methods.

    Args:
        subject: What adapts.
        task: Its support alone matters.
        methods: Which, all of the subject's.

    Returns:
        For each method the growth of the resident memory, and the multiply-accumulates: None where nothing of the
        adapting runs in torch.
    """
    macs = {method: _all_macs(subject, task, method) for method in methods}  # whatever is set up once is set up here
    with returning_freed_memory():
        return {method: MeasuredCost(_peak_mb(subject, task, method), macs[method]) for method in methods}
