"""A candidate of the guard that comes to nothing is left out; doing nothing is always there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime import AdaptationError, open_bundle

Edit = Callable[[Path, Callable[[dict[str, Any]], object]], None]
Pictures = dict[str, list[NDArray[np.uint8]]]


def test_a_candidate_that_is_not_finite_is_left_out_and_noted(
    bundle_copy: Path, edit_manifest: Edit, pictures: Pictures
) -> None:
    edit_manifest(bundle_copy, lambda manifest: manifest["adaptation"].update(candidates=[0.0, 1e38, 0.5]))
    with open_bundle(bundle_copy) as model:
        session = model.session(bake=False)
        for label in ("red", "blue"):
            session.add(label, pictures[label][:3])

        report = session.adapt()

        assert [candidate.step_size for candidate in report.candidates] == [0.0, 0.5]
        assert report.low_confidence
        assert any("step size 1e+38 was left out" in note for note in report.notes)
        assert session.predict(pictures["red"][4], allow_unknown=False).label in ("red", "blue")
        with pytest.raises(AdaptationError, match="not finite"):
            session.adapt(step_size=1e38)
