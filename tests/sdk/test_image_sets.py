"""Image sets: layouts, what is ignored, and files that are torn or no images."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperflow.errors import DataError
from hyperflow.images.image_set import open_image_set, open_image_sets


def _encoded(colour: tuple[int, int, int] = (200, 30, 60), suffix: str = ".png", mode: str = "RGB") -> bytes:
    noise = np.random.default_rng(sum(colour)).integers(0, 20, size=(24, 20, 3))
    image = Image.fromarray((np.array(colour) + noise).astype(np.uint8)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, Image.registered_extensions()[suffix])
    return buffer.getvalue()


def _write_folder(path: Path, members: dict[str, bytes]) -> None:
    for name, data in members.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def _write_zip(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


MEMBERS = {
    "pen/b.png": _encoded(),
    "pen/a.jpg": _encoded(suffix=".jpg"),
    "mug/c.JPEG": _encoded(suffix=".jpeg"),
    "mug/d.bmp": _encoded(suffix=".bmp"),
    "mug/e.webp": _encoded(suffix=".webp"),
    "key/f.tif": _encoded(suffix=".tif"),
    "key/nested/g.png": _encoded(),
    "key/.hidden.png": _encoded(),
    ".checkpoints/key.png": _encoded(),
    "__MACOSX/._a.jpg": b"resource fork",
    "key/notes.txt": b"notes",
    "readme.png": _encoded(),
    "empty/notes.md": b"",
}
CLASSES = {"key": ("key/f.tif",), "mug": ("mug/c.JPEG", "mug/d.bmp", "mug/e.webp"), "pen": ("pen/a.jpg", "pen/b.png")}


@pytest.mark.parametrize(("write", "name"), [(_write_folder, "desk.v2"), (_write_zip, "desk.v2.zip")])
def test_a_folder_and_a_zip_show_the_same_classes_and_ignore_all_else(
    write: Callable[[Path, dict[str, bytes]], None], name: str, tmp_path: Path
) -> None:
    write(tmp_path / name, MEMBERS)

    image_set = open_image_set(tmp_path / name)

    assert image_set.name == "desk.v2"
    assert image_set.classes == CLASSES
    assert list(image_set.classes) == sorted(CLASSES)
    assert image_set.n_images == 6


@pytest.mark.parametrize(("write", "name"), [(_write_folder, "desk"), (_write_zip, "desk.zip")])
def test_every_format_is_decoded_as_rgb(
    write: Callable[[Path, dict[str, bytes]], None], name: str, tmp_path: Path
) -> None:
    write(tmp_path / name, MEMBERS)
    image_set = open_image_set(tmp_path / name)
    expected = np.asarray(Image.open(io.BytesIO(MEMBERS["pen/b.png"]))).astype(int)

    for group in image_set.classes.values():
        for member in group:
            image = image_set.image(member)
            assert (image.mode, image.size) == ("RGB", (20, 24))
            assert np.abs(np.asarray(image).astype(int) - expected).mean() < 12, member


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "LA"])
def test_other_colour_modes_become_rgb(mode: str, tmp_path: Path) -> None:
    _write_folder(tmp_path, {"pen/a.png": _encoded(mode=mode)})

    assert open_image_set(tmp_path).image("pen/a.png").mode == "RGB"


def test_16_bit_grey_keeps_its_shades(tmp_path: Path) -> None:
    shades = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    (tmp_path / "pen").mkdir()
    Image.fromarray(shades).save(tmp_path / "pen/a.png")

    image = np.asarray(open_image_set(tmp_path).image("pen/a.png"))

    np.testing.assert_array_equal(image, (shades // 257)[:, :, None].repeat(3, axis=2))


def test_a_path_can_be_one_set_or_a_folder_of_sets(tmp_path: Path) -> None:
    _write_folder(tmp_path / "all" / "desk", {"pen/a.png": _encoded()})
    _write_zip(tmp_path / "all" / "kitchen.zip", {"mug/a.png": _encoded()})
    _write_zip(tmp_path / "all" / "animals.zip", {"cat/a.png": _encoded()})
    (tmp_path / "all" / "README.md").write_text("about these sets")
    _write_folder(tmp_path / "all" / ".trash", {"old.png": _encoded(), "pen/old.png": _encoded()})

    assert [s.name for s in open_image_sets(tmp_path / "all")] == ["animals", "desk", "kitchen"]
    assert [s.name for s in open_image_sets(tmp_path / "all" / "desk")] == ["desk"]
    assert [s.name for s in open_image_sets(tmp_path / "all" / "kitchen.zip")] == ["kitchen"]


def test_two_sets_of_one_name_are_refused(tmp_path: Path) -> None:
    _write_folder(tmp_path / "desk", {"pen/a.png": _encoded()})
    _write_zip(tmp_path / "desk.zip", {"pen/a.png": _encoded()})
    _write_zip(tmp_path / "kitchen.zip", {"pen/a.png": _encoded()})

    with pytest.raises(DataError, match="holds several sets named desk; rename or remove all but one"):
        open_image_sets(tmp_path)


@pytest.mark.parametrize("opened", [open_image_set, open_image_sets])
def test_a_zip_that_is_none_is_refused(opened: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(b"PK\x03\x04 and no more")

    with pytest.raises(DataError, match=r"set.zip is not a readable zip file \(.*\); copy it again"):
        opened(tmp_path / "set.zip")


def test_a_zip_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    _write_zip(tmp_path / "set.zip", MEMBERS)
    data = (tmp_path / "set.zip").read_bytes()
    (tmp_path / "set.zip").write_bytes(data[: len(data) // 2])

    with pytest.raises(DataError, match=r"set.zip is not a readable zip file \(.*\); copy it again"):
        open_image_set(tmp_path / "set.zip")


@pytest.mark.parametrize(
    ("opened", "message"),
    [
        (open_image_set, "holds no image laid out as CLASS/IMAGE (suffixes .bmp, .jpeg, .jpg,"),
        (open_image_sets, "holds no image set: expected zip files or folders laid out as CLASS/IMAGE"),
    ],
)
def test_an_empty_folder_is_refused(opened: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        opened(tmp_path)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no image set at .*/nowhere"):
        open_image_set(tmp_path / "nowhere")
    with pytest.raises(DataError, match="nowhere holds no image set"):
        open_image_sets(tmp_path / "nowhere")


@pytest.mark.filterwarnings("ignore:Truncated File Read:UserWarning")  # Pillow's, before its error
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif"])
@pytest.mark.parametrize("kept", [0.0, 0.05, 0.5, 0.9])
def test_a_part_of_an_image_is_refused_with_its_name(suffix: str, kept: float, tmp_path: Path) -> None:
    whole = _encoded(suffix=suffix)
    _write_folder(tmp_path / "desk", {f"pen/a{suffix}": whole[: round(len(whole) * kept)]})

    with pytest.raises(DataError, match=rf"desk/pen/a{suffix} cannot be decoded \(.*\); remove it or replace it"):
        open_image_set(tmp_path / "desk").image(f"pen/a{suffix}")


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>", bytes(100)], ids=["nothing", "text", "zeros"])
def test_bytes_that_are_no_image_are_refused(data: bytes, tmp_path: Path) -> None:
    _write_zip(tmp_path / "desk.zip", {"pen/a.jpg": data})

    with pytest.raises(DataError, match=r"desk/pen/a.jpg cannot be decoded"):
        open_image_set(tmp_path / "desk.zip").image("pen/a.jpg")


def _spoil_data(archive: bytearray, at: int) -> None:
    archive[60:90] = bytes(30)


def _mark_as_encrypted(archive: bytearray, at: int) -> None:
    archive[6] |= 1
    archive[at + 8] |= 1


def _use_unknown_compression(archive: bytearray, at: int) -> None:
    archive[8] = archive[at + 10] = 99


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize("spoil", [_spoil_data, _mark_as_encrypted, _use_unknown_compression])
def test_a_member_that_cannot_be_unpacked_is_refused_with_its_name(
    compression: int, spoil: Callable[[bytearray, int], None], tmp_path: Path
) -> None:
    _write_zip(tmp_path / "desk.zip", {"pen/a.bmp": _encoded(suffix=".bmp")}, compression)
    archive = bytearray((tmp_path / "desk.zip").read_bytes())
    spoil(archive, archive.index(b"PK\x01\x02"))
    (tmp_path / "desk.zip").write_bytes(archive)

    with pytest.raises(DataError, match=r"desk/pen/a.bmp cannot be decoded"):
        open_image_set(tmp_path / "desk.zip").image("pen/a.bmp")


def test_an_image_that_went_away_is_refused_with_its_name(tmp_path: Path) -> None:
    _write_folder(tmp_path / "desk", {"pen/a.png": _encoded()})
    image_set = open_image_set(tmp_path / "desk")
    (tmp_path / "desk/pen/a.png").unlink()

    with pytest.raises(DataError, match=r"desk/pen/a.png cannot be decoded"):
        image_set.image("pen/a.png")
