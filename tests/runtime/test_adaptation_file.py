"""The adaptation file: what a session learned comes back whole, with pictures or without."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime import (
    AdaptationError,
    AdaptationFileError,
    Model,
    Prediction,
    Session,
    SupportError,
    open_bundle,
)

Pictures = dict[str, list[NDArray[np.uint8]]]
EditManifest = Callable[[Path, Callable[[dict[str, Any]], object]], None]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "colours.adaptation"


def answers(session: Session, pictures: Pictures) -> list[Prediction]:
    return session.predict_batch([frames[7] for frames in pictures.values()])


@pytest.mark.parametrize("with_images", [True, False])
@pytest.mark.parametrize("step_size", [None, 0.0, 0.5])
def test_a_loaded_session_answers_as_the_saved_one(
    model: Model, adapted: Session, pictures: Pictures, file: Path, with_images: bool, step_size: float | None
) -> None:
    adapted.adapt(step_size=step_size)
    adapted.save(file, with_images=with_images)

    loaded = model.session(file, bake=False)

    assert loaded.labels == adapted.labels
    assert loaded.n_shots == adapted.n_shots
    assert not loaded.is_stale
    assert answers(loaded, pictures) == answers(adapted, pictures)


def test_a_renamed_class_is_saved_under_its_new_name(
    model: Model, adapted: Session, pictures: Pictures, file: Path
) -> None:
    adapted.rename_class("red", "rosé '杯'")
    adapted.save(str(file))

    loaded = model.session(str(file), bake=False)

    assert loaded.n_shots == adapted.n_shots
    assert answers(loaded, pictures) == answers(adapted, pictures)


def test_saving_what_was_loaded_gives_the_same_again(
    model: Model, adapted: Session, pictures: Pictures, file: Path
) -> None:
    adapted.save(file)
    loaded = model.session(file, bake=False)
    loaded.save(file.with_suffix(".again"))

    assert file.with_suffix(".again").read_bytes() == file.read_bytes()


def test_a_loaded_session_can_be_built_upon(model: Model, adapted: Session, pictures: Pictures, file: Path) -> None:
    adapted.save(file)
    loaded = model.session(file, bake=False)

    for session in (adapted, loaded):
        assert session.add("grey", pictures["grey"][:3]) == [9, 10, 11]
        session.remove(0)
        session.adapt()

    assert answers(loaded, pictures) == answers(adapted, pictures)
    assert loaded.predict(pictures["grey"][7]).label == "grey"


def test_without_pictures_theta_cannot_move_but_direct_transfer_works(
    model: Model, adapted: Session, pictures: Pictures, file: Path
) -> None:
    adapted.save(file, with_images=False)
    loaded = model.session(file, bake=False)
    before = answers(loaded, pictures)

    for step_size in (None, 0.5):
        with pytest.raises(AdaptationError, match=r"some support images were not kept, .* or adapt\(step_size=0.0\)"):
            loaded.adapt(step_size=step_size)
    assert answers(loaded, pictures) == before

    loaded.add("grey", pictures["grey"][:3])
    with pytest.raises(AdaptationError, match="some support images were not kept"):
        loaded.adapt()
    assert loaded.adapt(step_size=0.0).n_encoded == 0
    adapted.add("grey", pictures["grey"][:3])
    adapted.adapt(step_size=0.0)
    assert answers(loaded, pictures) == answers(adapted, pictures)


def test_new_pictures_in_the_place_of_all_lost_ones_let_theta_move_again(
    model: Model, adapted: Session, pictures: Pictures, file: Path
) -> None:
    adapted.save(file, with_images=False)
    loaded = model.session(file, bake=False)
    for label in ("red", "green", "blue"):
        loaded.remove_class(label)
        loaded.add(label, pictures[label][:3])

    assert loaded.adapt() is not None
    assert answers(loaded, pictures) == answers(adapted, pictures)


def test_a_file_without_pictures_is_small(adapted: Session, file: Path) -> None:
    adapted.save(file)
    adapted.save(file.with_suffix(".small"), with_images=False)

    assert file.with_suffix(".small").stat().st_size < 10_000
    assert file.stat().st_size > 9 * 32 * 32  # noise does not shrink
    with np.load(file.with_suffix(".small")) as arrays:
        assert set(arrays.files) == {"meta", "theta", "prototypes", "features"}


def test_an_existing_file_is_replaced_only_on_request(adapted: Session, file: Path) -> None:
    file.write_bytes(b"mine")

    with pytest.raises(AdaptationFileError, match=r"colours\.adaptation exists; pass overwrite=True to replace it"):
        adapted.save(file)
    assert file.read_bytes() == b"mine"
    adapted.save(file, overwrite=True)
    assert file.read_bytes() != b"mine"
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_what_is_not_adapted_cannot_be_saved(session: Session, pictures: Pictures, file: Path) -> None:
    message = r"the support was changed since the last adapt\(\); adapt, then save"
    with pytest.raises(AdaptationError, match=message):
        session.save(file)
    session.add("red", pictures["red"][:2])
    session.add("green", pictures["green"][:2])
    session.adapt()
    session.save(file)
    session.remove(0)
    with pytest.raises(AdaptationError, match=message):
        session.save(file, overwrite=True)
    session.undo()
    session.save(file, overwrite=True)


def test_a_missing_file_is_named(model: Model, tmp_path: Path) -> None:
    with pytest.raises(AdaptationFileError, match=r"no adaptation at .*nowhere \(No such file or directory\)"):
        model.session(tmp_path / "nowhere")


def test_a_file_of_another_bundle_is_refused(
    bundle_copy: Path, edit_manifest: EditManifest, adapted: Session, model: Model, file: Path
) -> None:
    adapted.save(file)
    edit_manifest(bundle_copy, lambda manifest: manifest.update(name="tiny2"))

    with (
        open_bundle(bundle_copy, n_threads=1) as other,
        pytest.raises(
            AdaptationFileError, match=r"belongs to another bundle \('tiny', \w{12}\), not to .*open that bundle"
        ),
    ):
        other.session(file)


def test_a_moved_bundle_is_the_same_bundle(bundle_copy: Path, adapted: Session, pictures: Pictures, file: Path) -> None:
    adapted.save(file)

    with open_bundle(bundle_copy, n_threads=1) as moved:
        assert answers(moved.session(file, bake=False), pictures) == answers(adapted, pictures)


def test_loading_can_be_taken_back(model: Model, adapted: Session, pictures: Pictures, file: Path) -> None:
    adapted.save(file)
    session = model.session(bake=False)
    session.add("a", pictures["grey"][:2])
    session.add("b", pictures["red"][:2])
    session.adapt()
    before = session.n_shots, answers(session, pictures)

    session.load(file)
    assert session.labels == ("red", "green", "blue")
    session.undo()

    assert (session.n_shots, answers(session, pictures)) == before
    assert session.add("a", pictures["grey"][3]) >= 9  # not an id that the loaded shots had


def test_a_failed_load_leaves_the_session_as_it_was(adapted: Session, pictures: Pictures, file: Path) -> None:
    before = adapted.n_shots, answers(adapted, pictures)
    file.write_bytes(b"no file of ours")

    with pytest.raises(AdaptationFileError, match=r"is not a whole adaptation file .*; save it again"):
        adapted.load(file)

    assert (adapted.n_shots, answers(adapted, pictures)) == before
    for _ in range(3):  # the three `add` of the fixture
        adapted.undo()
    with pytest.raises(SupportError, match="nothing to undo"):
        adapted.undo()


LOAD_AND_PREDICT = """
import sys
import numpy as np
from hyperflow_runtime import open_bundle

with open_bundle(sys.argv[1]) as model:
    print(model.session(sys.argv[2]).predict(np.full((40, 48, 3), (40, 40, 210), np.uint8)).best)
"""


def test_another_process_reads_the_file(
    tiny_bundle: Path, adapted: Session, file: Path, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    adapted.save(file, with_images=False)

    ended = run_python(LOAD_AND_PREDICT, tiny_bundle, file)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "red\n", "")
