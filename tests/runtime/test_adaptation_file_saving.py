"""Saving when it goes wrong: a full disk or a bad folder is an error, and the old file stays as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime import AdaptationFileError, Model, Session

Pictures = dict[str, list[NDArray[np.uint8]]]
RunPython = Callable[..., subprocess.CompletedProcess[str]]

PREPARE = """
import os, resource, sys
from pathlib import Path
import numpy as np
from hyperflow_runtime import AdaptationFileError, open_bundle

session = open_bundle(sys.argv[1]).session(bake=False)
frames = np.random.default_rng(0).integers(0, 256, (4, 40, 40, 3)).astype(np.uint8)
session.add("a", frames[:2])
session.add("b", frames[2:])
session.adapt()
file = Path(sys.argv[2])
"""
SAVE = """
try:
    session.save(file, overwrite=True)
except AdaptationFileError as error:
    print(error)
"""
LIMITED = PREPARE + "resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))" + SAVE
READ_ONLY = PREPARE + "file.parent.chmod(0o500)\nif os.geteuid() == 0:\n    os.seteuid(65534)" + SAVE


@pytest.fixture
def old_file(adapted: Session, tmp_path: Path) -> Path:
    """A small file in a folder of its own."""
    folder = tmp_path / "kept"
    folder.mkdir()
    adapted.save(folder / "colours.adaptation", with_images=False)
    return folder / "colours.adaptation"


def assert_nothing_changed(file: Path, data: bytes) -> None:
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]
    assert file.read_bytes() == data


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a small tmpfs takes root")
    command = [mount, "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"a small tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_old_file(adapted: Session, model: Model, pictures: Pictures, full_disk: Path) -> None:
    file = full_disk / "colours.adaptation"
    adapted.save(file, with_images=False)
    data = file.read_bytes()
    for label in ("red", "green", "blue"):
        adapted.add(label, pictures[label][3:8])
    adapted.adapt()

    with pytest.raises(AdaptationFileError, match=r"cannot be written \(No space left on device\); nothing was lost"):
        adapted.save(file, overwrite=True)

    assert_nothing_changed(file, data)
    assert model.session(file).n_shots == {"red": 3, "green": 3, "blue": 3}
    adapted.save(file, overwrite=True, with_images=False)
    assert model.session(file).n_shots == {"red": 8, "green": 8, "blue": 8}


def test_a_limit_on_the_size_of_files_leaves_the_old_file(
    tiny_bundle: Path, old_file: Path, run_python: RunPython
) -> None:
    data = old_file.read_bytes()

    ended = run_python(LIMITED, tiny_bundle, old_file)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "colours.adaptation cannot be written (File too large); nothing was lost: free some space" in ended.stdout
    assert_nothing_changed(old_file, data)


def test_a_folder_that_may_not_be_written_to_leaves_the_old_file(
    tiny_bundle: Path, old_file: Path, run_python: RunPython
) -> None:
    data = old_file.read_bytes()

    ended = run_python(READ_ONLY, tiny_bundle, old_file)

    old_file.parent.chmod(0o700)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "colours.adaptation cannot be written (Permission denied); nothing was lost" in ended.stdout
    assert_nothing_changed(old_file, data)


def test_a_missing_folder_is_an_error(adapted: Session, tmp_path: Path) -> None:
    with pytest.raises(AdaptationFileError, match=r"cannot be written \(No such file or directory\); nothing was lost"):
        adapted.save(tmp_path / "nowhere" / "colours.adaptation")

    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_too_long_is_an_error(adapted: Session, tmp_path: Path) -> None:
    for length in (250, 300):  # the name itself fits, then not even that
        with pytest.raises(AdaptationFileError, match=r"cannot be written \(File name too long\)"):
            adapted.save(tmp_path / ("x" * length))

    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_not_replaced(adapted: Session, tmp_path: Path) -> None:
    folder = tmp_path / "colours.adaptation"
    folder.mkdir()

    with pytest.raises(AdaptationFileError, match="exists; pass overwrite=True"):
        adapted.save(folder)
    with pytest.raises(AdaptationFileError, match=r"cannot be written \(Is a directory\)"):
        adapted.save(folder, overwrite=True)

    assert list(tmp_path.iterdir()) == [folder]
    assert list(folder.iterdir()) == []


def test_a_device_is_not_a_folder(adapted: Session) -> None:
    with pytest.raises(AdaptationFileError, match=r"cannot be written \(Not a directory\)"):
        adapted.save("/dev/null/colours.adaptation")
