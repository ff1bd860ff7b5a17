"""The benchmarks of fp16 and int8: what they compare, and what they refuse to compare."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from hyperflow_export.bundle_writing import file_entries, write_files
from hyperflow_export.precision.mixed_half import to_half
from hyperflow_export.verification import verify_bundle
from hyperflow_runtime.bundle.reader import read_bundle

ROOT = Path(__file__).resolve().parents[2]


def _run(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def half_bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """The committed tiny bundle with both of its graphs in fp16."""
    opened, folder = read_bundle(tiny_bundle), tmp_path / "tiny-fp16.hyperflow"
    files = {name: (tiny_bundle / name).read_bytes() for name in opened.manifest.files}
    files["backbone.onnx"], _ = to_half(opened.backbone_onnx, [], parameter="theta")
    files["adapt.onnx"], _ = to_half(opened.adapt_onnx, [])
    folder.mkdir()
    manifest = msgspec.structs.replace(opened.manifest, precision="fp16", files=file_entries(files))
    write_files(folder, files, manifest)
    return folder


def _evaluation(path: Path, shift: float, *, n_episodes: int = 40, seed: int = 0) -> Path:
    """An evaluation of two sets; the adapted model is better by `shift` than that of the reference."""
    rng = np.random.default_rng(3)
    sets = {}
    for name in ("birds", "tools"):
        direct = rng.uniform(0.4, 0.6, 60)
        adapted = direct + 0.1 + rng.normal(0, 0.01, 60)
        found = {"direct": direct, "adapted": adapted + shift, "guarded": adapted}
        sets[name] = {"per_episode": {method: values[:n_episodes].tolist() for method, values in found.items()}}
    config = {"n_way": 5, "n_shot": 5, "n_query": 10, "seed": seed, "protocol": "fixed", "episodes": n_episodes}
    path.write_text(json.dumps({"subject": f"somewhere/{path.stem}.hyperflow", "config": config, "sets": sets}))
    return path


def test_accuracy_is_compared_episode_by_episode_also_when_one_evaluation_is_shorter(tmp_path: Path) -> None:
    full = _evaluation(tmp_path / "full.json", 0.0)
    half = _evaluation(tmp_path / "half.json", 0.002, n_episodes=25)

    done = _run("precision_accuracy.py", f"fp32={full}", f"fp16={half}", "--json", tmp_path / "out.json")

    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads((tmp_path / "out.json").read_text())
    reference, compared = result["precisions"]
    assert (reference["n_episodes"], compared["n_episodes"]) == (80, 50)
    assert compared["difference"]["adapted"]["mean"] == pytest.approx(0.2)
    assert compared["difference"]["adapted"]["ci95"] == pytest.approx(0.0, abs=1e-9)  # the same shift in every episode
    assert compared["difference"]["gain adapted"]["mean"] == pytest.approx(0.2)
    assert compared["difference"]["direct"]["mean"] == compared["difference"]["gain guarded"]["mean"] == 0.0
    assert compared["by_set"] == {"birds": pytest.approx(0.2), "tools": pytest.approx(0.2)}
    assert result["subjects"] == {"fp32": "full.hyperflow", "fp16": "half.hyperflow"}
    assert "+0.20 ± 0.00" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fp32={full}", "fp16={other}"], "fp16 is not of the same episodes as fp32 (differs in seed)"),
        (["fp32={full}"], "at least two evaluations are compared, got 1"),
        (["fp32={full}", "{full}"], "is not NAME=FILE, such as fp16=small-fp16.json"),
        (["fp32={full}", "fp16={torn}"], "is no result of hyperflow evaluate --json"),
    ],
    ids=["other seed", "one", "no name", "torn"],
)
def test_what_cannot_be_compared_is_named(arguments: list[str], message: str, tmp_path: Path) -> None:
    places = {"full": _evaluation(tmp_path / "full.json", 0.0), "torn": tmp_path / "torn.json"}
    places["other"] = _evaluation(tmp_path / "other.json", 0.0, seed=1)
    places["torn"].write_text('{"subject": "a"')

    done = _run("precision_accuracy.py", *(argument.format(**places) for argument in arguments))

    assert done.returncode == 1
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_costs_are_written_for_every_precision_and_form(tiny_bundle: Path, half_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "costs.json"

    done = _run("precision_costs.py", tiny_bundle, half_bundle, "--repetitions", "3", "--threads", "1", "--json", out)

    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(out.read_text())
    forms = {(form["precision"], form["form"]): form for form in result["forms"]}
    names = ("baked", "bundle", "constant", "one_split", "kernels")
    assert set(forms) == {(precision, name) for precision in ("fp32", "fp16") for name in names}
    assert all(form["median_ms"] >= form["fastest_ms"] > 0 for form in forms.values())
    assert forms["fp16", "baked"]["over_baked"] == forms["fp32", "bundle"]["over_fp32"] == 1.0
    assert set(result["theta_input_over_baked"]) == {"fp32", "fp16"}
    assert result["file_bytes"]["fp16"]["adapt.onnx"] < result["file_bytes"]["fp32"]["adapt.onnx"]
    assert result["machine"]["n_cores"] >= 1


@pytest.mark.parametrize("swapped", [True, False], ids=["fp32 second", "fp32 twice"])
def test_costs_want_the_fp32_bundle_first_and_each_precision_once(
    swapped: bool, tiny_bundle: Path, half_bundle: Path
) -> None:
    done = _run("precision_costs.py", *([half_bundle, tiny_bundle] if swapped else [tiny_bundle, tiny_bundle]))

    assert done.returncode == 1
    assert "name the fp32 bundle first, and each precision once" in " ".join(done.stderr.split())


def test_a_rounded_copy_passes_the_same_parity_and_computes_in_fp32(half_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "rounded.hyperflow"

    done = _run("precision_rounding.py", half_bundle, "-o", out)

    assert done.returncode == 0, done.stderr
    rounded = read_bundle(out)
    assert rounded.manifest.name == "tiny-rounded"
    assert rounded.backbone_onnx != read_bundle(half_bundle).backbone_onnx
    checks = verify_bundle(rounded)
    assert all(check.passed for check in checks)
    assert max(check.max_abs for check in checks) > 1e-5


def test_an_fp32_bundle_has_nothing_to_round(tiny_bundle: Path, tmp_path: Path) -> None:
    done = _run("precision_rounding.py", tiny_bundle, "-o", tmp_path / "rounded.hyperflow")

    assert done.returncode == 1
    assert "is fp32: nothing in it is rounded; name an fp16 or int8 bundle" in " ".join(done.stderr.split())
