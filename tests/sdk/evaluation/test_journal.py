"""The journal: what it holds after a kill at any byte, and whose it is."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperflow.errors import DataError
from hyperflow.evaluation.calibration import calibration_record
from hyperflow.evaluation.config import EvaluationConfig
from hyperflow.evaluation.detection import DetectionRecord
from hyperflow.evaluation.journal import Journal, run_digest
from hyperflow.evaluation.records import AnswerRecord, CostRecord, CurveRecord, EpisodeRecord, MeasuredCost
from hyperflow.images.image_set import ImageSet

COSTS = CostRecord("disc", 5, 25, {"direct": MeasuredCost(12.5, None), "adapted": MeasuredCost(13.0, 1e9)})
EPISODES = [
    EpisodeRecord(
        "disc",
        index,
        5,
        25,
        {
            "direct": AnswerRecord(index / 3, 0.1),
            "guarded": AnswerRecord(
                *(0.2, 0.3, 0.5),
                groups=(0.1, 0.3),
                calibration=calibration_record(np.array([[0.7, 0.3], [0.1, 0.9]], np.float32), np.array([0, 0])),
                detection=DetectionRecord(7, 0.75, 0.5, 0.9, 0.4),
            ),
        },
        CurveRecord(((0, 0.1), (1, None)), ((0.0, 0.1),)),
    )
    for index in range(4)
]


def _written(path: Path) -> bytes:
    with Journal(path, "run") as journal:
        for record in (COSTS, *EPISODES):
            journal.add(record)
    return path.read_bytes()


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    _written(path)

    with Journal(path, "run", resume=True) as journal:
        assert journal.costs == COSTS
        assert journal.episodes == {(record.set, record.index): record for record in EPISODES}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(data=st.data())
def test_a_file_cut_at_any_byte_loses_its_torn_line_alone(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "journal"
    path.unlink(missing_ok=True)
    whole = _written(path)
    n_bytes = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:n_bytes])
    n_lines = whole[:n_bytes].count(b"\n")

    with Journal(path, "run", resume=True) as journal:
        assert list(journal.episodes.values()) == EPISODES[: max(n_lines - 2, 0)]
        if n_lines < 2:
            journal.add(COSTS)
        for record in EPISODES[max(n_lines - 2, 0) :]:
            journal.add(record)

    assert path.read_bytes() == whole


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    whole = _written(path)

    with pytest.raises(DataError, match="is of an evaluation that was interrupted; add --resume, or delete the file"):
        Journal(path, "run")
    assert path.read_bytes() == whole


def test_the_journal_of_another_run_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    whole = _written(path)

    with pytest.raises(DataError, match="is of another evaluation; resume with the subject, options and data"):
        Journal(path, "other run", resume=True)
    assert path.read_bytes() == whole


def test_a_journal_without_figures_of_calibration_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(_written(path).replace(b'"format":2', b'"format":1'))

    with pytest.raises(DataError, match=r"another version of this program.*delete the file and start again"):
        Journal(path, "run", resume=True)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"\x00\xff\n", "line 2, cannot be read"),
        (b'{"kind":"episode","set":"disc"}\n', "line 2, cannot be read"),
        (b'{"kind":"episode","set":"disc","index":0,"n_way":2,"n_support":2,"answers":{},"curves":NaN}\n', "line 2"),
        (b'{"kind":"evaluation","run":"run","format":2}\n', "is of another evaluation"),
    ],
)
def test_a_line_that_is_none_of_a_journal_is_refused(line: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    header, *rest = _written(path).splitlines(keepends=True)
    path.write_bytes(b"".join([header, line, *rest]))

    with pytest.raises(DataError, match=message):
        Journal(path, "run", resume=True)


def test_a_run_is_its_subject_its_configuration_and_its_images(sets: list[ImageSet]) -> None:
    config = EvaluationConfig()
    known = {
        run_digest("subject", config, sets),
        run_digest("another", config, sets),
        run_digest("subject", msgspec.structs.replace(config, seed=1), sets),
        run_digest("subject", config, sets[:1]),
        run_digest("subject", config, sets[::-1]),
    }

    assert len(known) == 5
    assert run_digest("subject", EvaluationConfig(), sets) in known
