"""Learn from photos, answer about others, and write all numbers to a file. Runs on both machines; needs the runtime.

Example: answers.py build/small.hyperflow photos answers.npz, with photos/support/CLASS and photos/query/CLASS.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from hyperflow_runtime import Session, open_bundle, read_image


def _photos(folder: Path, n_way: int) -> list[tuple[str, Path]]:
    return [(kind.name, file) for kind in sorted(folder.iterdir())[:n_way] for file in sorted(kind.iterdir())]


def _adapted_arrays(session: Session) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "answers.adaptation"
        session.save(file)
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in ("theta", "prototypes", "features")}


def _probabilities(session: Session, photos: list[tuple[str, Path]]) -> Any:
    answers = [session.predict(read_image(file)) for _, file in photos]
    labels = list(answers[0].scores)
    return np.array([[answer.scores[label] for label in labels] for answer in answers])


def main() -> None:
    """Write theta, prototypes, support features and probabilities, before and after baking."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("output", type=Path, help=".npz to write")
    parser.add_argument("--n-way", type=int, default=5, help="classes to learn, the first ones by name (default 5)")
    arguments = parser.parse_args()
    support, query = (_photos(arguments.photos / split, arguments.n_way) for split in ("support", "query"))
    with open_bundle(arguments.bundle, backend="onnxruntime") as model:
        session, dynamic = model.session(), model.session(bake=False)
        for label, file in support:
            session.add(label, read_image(file))
        report = session.adapt(guard=False)
        session.wait_until_baked()
        arrays = _adapted_arrays(session)
        arrays["probabilities"] = _probabilities(session, query)
        with tempfile.TemporaryDirectory() as folder:
            session.save(Path(folder) / "a.adaptation")
            dynamic.load(Path(folder) / "a.adaptation")
        arrays["probabilities_unbaked"] = _probabilities(dynamic, query)
        guarded = session.adapt()
        arrays["guard_step_sizes"] = np.array([candidate.step_size for candidate in guarded.candidates])
        arrays["guard_losses"] = np.array([candidate.leave_one_out_loss for candidate in guarded.candidates])
        arrays["guard_choice"] = np.array(guarded.step_size)
        arrays["step_norms"] = np.array(report.step_norms)
        arrays["truth"] = np.array([session.labels.index(label) for label, _ in query])
    about = {"machine": platform.machine(), "python": platform.python_version(), "numpy": np.__version__}
    np.savez(arguments.output, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)


if __name__ == "__main__":
    main()
