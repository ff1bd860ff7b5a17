"""The four sets of the cross-domain few-shot benchmark, in the trees that their downloads make.

None is divided: episodes come from all images, so each is a TEST set. Variants that are understood:

    EuroSAT/2750/CLASS/IMAGE.jpg
    ISIC/ISIC2018_Task3_Training_Input/IMAGE.jpg, with ISIC2018_Task3_Training_GroundTruth.csv beside that folder or in
        a folder ISIC2018_Task3_Training_GroundTruth; or csv and images together in ISIC
    CropDiseases/dataset/train/CLASS/IMAGE.JPG or CropDiseases/train/CLASS/IMAGE.JPG; test is never used
    ChestX/Data_Entry_2017.csv with ChestX/images/IMAGE.png, or the archives' images_001/images to images_012/images
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from hyperflow.datasets.csv_labels import read_labels
from hyperflow.datasets.split import Split
from hyperflow.errors import DataError
from hyperflow.images.image_set import IMAGE_SUFFIXES, FolderSource, ImageSet, open_image_set

__all__ = ["is_chestx", "is_crop_diseases", "is_eurosat", "is_isic", "missing_in_chestx", "missing_in_crop_diseases",
           "missing_in_eurosat", "missing_in_isic", "open_chestx", "open_crop_diseases", "open_eurosat",
           "open_isic"]  # fmt: skip

_ISIC_STEM = "ISIC2018_Task3_Training"
_ISIC_CLASSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
_CHESTX_CSV = "Data_Entry_2017.csv"
_CHESTX_CLASSES = ("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumothorax")


def is_eurosat(path: Path) -> bool:
    """Whether a folder is EuroSAT's."""
    return (path / "2750").is_dir()


def missing_in_eurosat(path: Path, split: Split | None) -> list[str]:
    """Return what EuroSAT's folder lacks."""
    return _missing_classes("EuroSAT", path / "2750", 10)


def open_eurosat(path: Path, split: Split | None) -> list[ImageSet]:
    """Open EuroSAT."""
    return [] if _is_elsewhere(split) else [open_image_set(path / "2750", "EuroSAT")]


def _crop_folder(path: Path) -> Path | None:
    if not path.name.lower().startswith(("crop", "plant")):
        return None
    return next((folder for folder in (path / "dataset" / "train", path / "train") if folder.is_dir()), None)


def is_crop_diseases(path: Path) -> bool:
    """Whether a folder is CropDiseases'."""
    return _crop_folder(path) is not None


def missing_in_crop_diseases(path: Path, split: Split | None) -> list[str]:
    """Return what CropDiseases' folder lacks."""
    folder = _crop_folder(path)
    return [] if folder is None else _missing_classes("CropDiseases", folder, 38)


def open_crop_diseases(path: Path, split: Split | None) -> list[ImageSet]:
    """Open CropDiseases."""
    folder = _crop_folder(path)
    return [] if folder is None or _is_elsewhere(split) else [open_image_set(folder, "CropDiseases")]


def is_isic(path: Path) -> bool:
    """Whether a folder is ISIC 2018's."""
    return (path / f"{_ISIC_STEM}_Input").is_dir() or _isic_csv(path).is_file()


def _isic_csv(path: Path) -> Path:
    """Where the labels are, or, when they are not there, should be."""
    nested = path / f"{_ISIC_STEM}_GroundTruth" / f"{_ISIC_STEM}_GroundTruth.csv"
    flat = path / nested.name
    return flat if flat.is_file() else nested


def _isic_label(row: Mapping[str, str]) -> str:
    marked = [name for name in _ISIC_CLASSES if float(row[name]) > 0.5]
    if len(marked) != 1:
        raise ValueError(f"{row['image']} has {len(marked)} labels, expected 1")
    return marked[0]


def _isic_images(path: Path) -> dict[str, list[str]]:
    labels = read_labels(_isic_csv(path), "image", _ISIC_CLASSES, _isic_label)
    folder = path / f"{_ISIC_STEM}_Input"
    files = _image_files(path, [folder if folder.is_dir() else path])
    by_stem = {Path(name).stem: member for name, member in files.items()}
    return _grouped(labels, by_stem, _ISIC_CLASSES)


def missing_in_isic(path: Path, split: Split | None) -> list[str]:
    """Return what ISIC's folder lacks."""
    if not _isic_csv(path).is_file():
        return [f"ISIC: GroundTruth csv missing, expected at {_isic_csv(path)}"]
    return _missing_images("ISIC", path / f"{_ISIC_STEM}_Input", _isic_images(path))


def open_isic(path: Path, split: Split | None) -> list[ImageSet]:
    """Open ISIC 2018, task 3, training part.

    Raises:
        DataError: The csv is torn.
    """
    return [] if _is_elsewhere(split) else [_labelled_set("ISIC", path, _isic_images(path))]


def is_chestx(path: Path) -> bool:
    """Whether a folder is ChestX's."""
    return (path / _CHESTX_CSV).is_file() or (path.name.lower().startswith("chestx") and bool(_chestx_folders(path)))


def _chestx_folders(path: Path) -> list[Path]:
    parts = [*sorted(path.glob("images_*/images")), path / "images"]
    return [folder for folder in parts if folder.is_dir()]


def _chestx_label(row: Mapping[str, str]) -> str | None:
    """Return the one finding of a row, where it has one and the benchmark uses it."""
    return row["Finding Labels"] if row["Finding Labels"] in _CHESTX_CLASSES else None


def _chestx_images(path: Path) -> dict[str, list[str]]:
    labels = read_labels(path / _CHESTX_CSV, "Image Index", ("Finding Labels",), _chestx_label)
    return _grouped(labels, _image_files(path, _chestx_folders(path)), _CHESTX_CLASSES)


def missing_in_chestx(path: Path, split: Split | None) -> list[str]:
    """Return what ChestX's folder lacks."""
    if not (path / _CHESTX_CSV).is_file():
        return [f"ChestX: {_CHESTX_CSV} missing, expected at {path / _CHESTX_CSV}"]
    return _missing_images("ChestX", path / "images", _chestx_images(path))


def open_chestx(path: Path, split: Split | None) -> list[ImageSet]:
    """Open ChestX: images with exactly one finding, of the seven that the benchmark uses.

    Raises:
        DataError: The csv is torn.
    """
    return [] if _is_elsewhere(split) else [_labelled_set("ChestX", path, _chestx_images(path))]


def _is_elsewhere(split: Split | None) -> bool:
    return split in ("TRAIN", "VALID")


def _missing_classes(name: str, folder: Path, n_classes: int) -> list[str]:
    n_found = sum(child.is_dir() and not child.name.startswith(".") for child in folder.iterdir())
    return [] if n_found >= n_classes else [f"{name}: {n_found} class folders in {folder}, expected {n_classes}"]


def _image_files(root: Path, folders: list[Path]) -> dict[str, str]:
    """File name to member, for the images right in some folders below `root`."""
    files = (file for folder in folders for file in sorted(folder.iterdir()))
    return {f.name: f.relative_to(root).as_posix() for f in files if f.suffix.lower() in IMAGE_SUFFIXES}


def _grouped(labels: Mapping[str, str], members: Mapping[str, str], classes: tuple[str, ...]) -> dict[str, list[str]]:
    """Members of each class; an image without a file is listed under the empty name."""
    groups: dict[str, list[str]] = defaultdict(list, {name: [] for name in classes})
    for image, label in labels.items():
        groups[label if image in members else ""].append(members.get(image, image))
    return groups


def _missing_images(name: str, expected: Path, groups: Mapping[str, list[str]]) -> list[str]:
    absent, n_named = groups.get("", []), sum(map(len, groups.values()))
    if not absent:
        return []
    return [f"{name}: {len(absent)} of {n_named} images that the csv names are absent from {expected} ({absent[0]}...)"]


def _labelled_set(name: str, path: Path, groups: Mapping[str, list[str]]) -> ImageSet:
    classes = {label: tuple(sorted(members)) for label, members in sorted(groups.items()) if label and members}
    if not classes:
        raise DataError(f"{path} holds no labelled image; download {name} again")
    return ImageSet(name, classes, FolderSource(path))
