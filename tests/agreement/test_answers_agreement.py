"""A checkpoint and the bundle exported from it answer the same episodes with the same labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from hyperflow.adapted.guard import leave_one_out_loss
from hyperflow.checkpoint import load_checkpoint
from hyperflow.commands.main import main
from hyperflow.episodes.sampling import episode_rng, sample_episode
from hyperflow.evaluation.methods import METHODS, Task
from hyperflow.evaluation.subjects import CheckpointSubject, open_subject
from hyperflow.images.image_set import open_image_set
from hyperflow.images.preprocessing import crop_and_resize, normalise
from hyperflow_export.evaluation import BundleSubject
from hyperflow_runtime import open_bundle
from hyperflow_runtime.bundle.reader import read_bundle

N_CLASSES, N_IMAGES = 6, 12  # of the fixture `photos`

MakeTwins = Callable[[dict[str, Any]], tuple[Path, Path]]
DEVICES: dict[str, dict[str, Any]] = {
    "as exported": {},
    "large steps": {"step_size": 20.0, "candidates": [0.0, 5.0, 20.0], "penalties": [0.0, 0.0, 0.0]},
    "penalties": {"step_size": 20.0, "candidates": [0.0, 5.0, 20.0], "penalties": [0.0, 0.05, 0.2]},
    "default is no candidate": {"step_size": 20.0, "candidates": [0.0, 5.0], "penalties": [0.0, 0.0]},
    "default between candidates": {"step_size": 7.0, "candidates": [0.0, 5.0, 20.0], "penalties": [0.0, 0.0, 0.0]},
    "nothing but theta_0": {"step_size": 0.0, "candidates": [0.0], "penalties": [0.0]},
}


@pytest.mark.parametrize("n_shot", [1, 3])
@pytest.mark.parametrize("device", DEVICES)
def test_every_method_gives_the_same_labels(device: str, n_shot: int, make_twins: MakeTwins, photos: Path) -> None:
    image_set = open_image_set(photos)
    checkpoint, bundle = map(open_subject, make_twins(DEVICES[device]))
    assert isinstance(checkpoint, CheckpointSubject)
    assert isinstance(bundle, BundleSubject)
    members = [member for group in image_set.classes.values() for member in group]
    answered: dict[str, list[list[int]]] = {method: [] for method in METHODS}

    for index in range(8):
        rng = episode_rng(0, "stripes", index)
        episode = sample_episode([N_IMAGES] * N_CLASSES, n_way=5, n_shot=n_shot, n_query=6, rng=rng)
        by_checkpoint, by_bundle = (
            subject.answer(
                Task(
                    tuple(subject.frame(image_set.image(members[row])) for row in episode.support_rows),
                    episode.support_labels,
                    tuple(subject.frame(image_set.image(members[row])) for row in episode.query_rows),
                    5,
                )
            )
            for subject in (checkpoint, bundle)
        )
        for method in METHODS:
            assert by_bundle[method].labels.tolist() == by_checkpoint[method].labels.tolist(), (method, index)
            assert by_bundle[method].step_size == by_checkpoint[method].step_size, (method, index)
            of_bundle, of_checkpoint = by_bundle[method].scores, by_checkpoint[method].scores
            np.testing.assert_allclose(of_bundle.probabilities, of_checkpoint.probabilities, atol=1e-3)
            np.testing.assert_allclose(of_bundle.cosines, of_checkpoint.cosines, atol=1e-4)
            thresholds = [answer[method].unknown_threshold for answer in (by_bundle, by_checkpoint)]
            assert thresholds[0] == pytest.approx(thresholds[1], abs=1e-3)
            answered[method].append(by_checkpoint[method].labels.tolist())

    if DEVICES[device].get("step_size") == 20.0:  # the methods do differ, so that agreeing means something
        assert answered["adapted"] != answered["direct"]
    if (device, n_shot) == ("large steps", 3):
        assert answered["guarded"] not in (answered["direct"], answered["adapted"])


def _numbers(value: object) -> list[float]:
    """Every number in a decoded JSON value, in order."""
    if isinstance(value, dict):
        return [number for part in value.values() for number in _numbers(part)]
    if isinstance(value, list):
        return [number for part in value for number in _numbers(part)]
    return [float(value)] if isinstance(value, (int, float)) else []


def test_evaluating_either_writes_the_same_result(make_twins: MakeTwins, photos: Path, tmp_path: Path) -> None:
    twins = make_twins(DEVICES["large steps"])
    results = []

    for subject in twins:
        episodes = ["--episodes", "4", "--n-way", "5", "--n-shot", "2", "--n-query", "5", "--quiet", "--unknown"]
        paths = ["--data", str(photos), "--json", str(tmp_path / "result.json")]
        done = CliRunner().invoke(main, ["evaluate", str(subject), *paths, *episodes])
        assert done.exit_code == 0, done.output
        results.append(json.loads((tmp_path / "result.json").read_text()))

    by_checkpoint, by_bundle = results
    assert list(by_checkpoint.pop("cost")) == list(by_bundle.pop("cost"))  # measured, so never the same
    assert (by_checkpoint.pop("subject"), by_bundle.pop("subject")) == tuple(map(str, twins))
    trusts = [_numbers(result.pop("trust")) for result in (by_checkpoint, by_bundle)]
    assert len(trusts[0]) > 100
    assert trusts[1] == pytest.approx(trusts[0], abs=0.1)  # points, of which a query at the edge of a bin moves a few
    assert by_bundle == by_checkpoint
    assert by_checkpoint["sets"]["stripes"]["per_episode"]["adapted"] != [1.0] * 4


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (
            lambda bundle: None,
            ["--n-way", "7"],
            "would be number 7, the bundle's limit is 6; remove a class",
        ),
        (lambda bundle: (bundle / "adapt.onnx").write_bytes(b""), [], "adapt.onnx has 0 bytes, expected"),
    ],
    ids=["beyond the limits", "torn"],
)
def test_a_bundle_that_cannot_answer_fails_in_one_line(
    spoil: Callable[[Path], object], options: list[str], message: str, bundle_copy: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for c in range(7):
        (tmp_path / f"set/class{c}").mkdir(parents=True)
        for index in range(2):
            pixels = rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"set/class{c}/{index}.png")
    spoil(bundle_copy)

    arguments = ["evaluate", str(bundle_copy), "--data", str(tmp_path / "set"), "--n-shot", "1", "--n-query", "1"]
    done = CliRunner().invoke(main, [*arguments, "--quiet", *options])

    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)  # anything else would have been a traceback
    assert message in " ".join(done.stderr.split())


def test_the_slots_of_theta_are_those_of_the_sdk(make_twins: MakeTwins) -> None:
    checkpoint, exported = make_twins({})
    backbone, bundle = load_checkpoint(checkpoint).backbone, read_bundle(exported)

    assert [(slot.name, slot.offset, slot.size) for slot in bundle.manifest.theta] == [
        (slot.name, slot.offset, slot.size) for slot in backbone.layout.slots
    ]
    assert bundle.manifest.n_parameters == backbone.layout.n_parameters
    np.testing.assert_allclose(bundle.theta_0, backbone.theta_0.numpy(), rtol=1e-6)


@pytest.mark.parametrize("step_size", [0.0, 1.0, 20.0])
def test_a_session_reports_the_step_norms_and_the_guard_loss_of_the_sdk(
    step_size: float, make_twins: MakeTwins, photos: Path
) -> None:
    (checkpoint, bundle), image_set = make_twins({}), open_image_set(photos)
    model = load_checkpoint(checkpoint)
    shots = {label: [image_set.image(member) for member in group[:4]] for label, group in image_set.classes.items()}
    images = [image for group in shots.values() for image in group]
    onehot = torch.eye(N_CLASSES).repeat_interleave(4, dim=0)
    rule = model.config.preprocessing
    with torch.no_grad():
        inputs = normalise(torch.from_numpy(np.stack([crop_and_resize(image, rule) for image in images])), rule)
        theta, step_norms = model.adapt(model.encode(inputs), onehot, torch.tensor(step_size))
        loss = leave_one_out_loss(model.encode(inputs, theta), onehot, model.config.device.logit_scale)

    with open_bundle(bundle, n_threads=1) as opened:
        session = opened.session(colour_order="rgb", bake=False)
        for label, group in shots.items():
            session.add(label, [np.asarray(image) for image in group])
        report = session.adapt(step_size=step_size)

    expected = step_norms.tolist() if step_size else []
    assert list(report.step_norms) == pytest.approx(expected, rel=1e-4)
    assert report.candidates[0].leave_one_out_loss == pytest.approx(loss, rel=1e-3)
