"""The way of a user on a real GPU: build, verify, open, adapt, predict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hyperflow_export.commands.main import main
from hyperflow_export.engine.target import Target
from hyperflow_runtime import open_bundle


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_bundle_is_built_verified_and_used(tmp_path: Path, target: Target, precision: str) -> None:
    bundle, cache = tmp_path / "nano.hyperflow", tmp_path / "engines"
    root = Path(__file__).parents[2]

    def run(*words: str) -> str:
        done = CliRunner().invoke(main, list(words), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    run("bundle", str(root / "models/nano"), "-o", str(bundle), "--precision", precision)
    run("engine", str(bundle), "--library", target.library.name, "--cache", str(cache))
    run("verify", str(bundle), "--backend", "tensorrt", "--cache", str(cache))

    pictures = np.random.default_rng(0).integers(0, 256, (20, 80, 96, 3)).astype(np.uint8)
    answers = []
    for backend in ("tensorrt", "onnxruntime"):
        with open_bundle(bundle, backend, engine_cache=cache) as model:  # type: ignore[arg-type]
            session = model.session()
            session.add("a", pictures[:5])
            session.add("b", pictures[5:10])
            session.adapt(guard=False)
            session.wait_until_baked()
            answers.append([prediction.scores["a"] for prediction in session.predict_batch(pictures[10:])])

    np.testing.assert_allclose(answers[0], answers[1], atol=0.02)
