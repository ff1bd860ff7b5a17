"""Meta-Dataset as records or HDF5: a folder with `dataset_spec.json` and one file a class, named by its number."""

from __future__ import annotations

from pathlib import Path

from hyperflow.datasets.dataset_spec import DatasetSpec, read_dataset_spec
from hyperflow.datasets.numbered import NumberedImages
from hyperflow.datasets.split import Split, refuse_split
from hyperflow.errors import DataError
from hyperflow.images.image_set import ImageSet, ImageSource

__all__ = ["SPEC_NAME", "is_h5_folder", "is_meta_dataset", "missing_in_meta_dataset", "open_h5_folder",
           "open_meta_dataset"]  # fmt: skip

SPEC_NAME = "dataset_spec.json"


def is_meta_dataset(path: Path) -> bool:
    """Whether a folder has a `dataset_spec.json`."""
    return (path / SPEC_NAME).is_file()


def is_h5_folder(path: Path) -> bool:
    """Whether a folder holds class files `NUMBER.h5` and no `dataset_spec.json`."""
    return not is_meta_dataset(path) and any(file.stem.isdigit() for file in path.glob("*.h5"))


def _class_files(path: Path, spec: DatasetSpec) -> tuple[str, str]:
    """Return the pattern of a class file's stem and its suffix: HDF5 where there is any and no record."""
    record = Path(spec.file_pattern)
    has_records = any(path.glob(f"*{record.suffix}")) if record.suffix else False
    return ("{}", ".h5") if not has_records and any(path.glob("*.h5")) else (record.stem, record.suffix)


def missing_in_meta_dataset(path: Path, split: Split | None) -> list[str]:
    """Return one line on the class files that the specification names and the folder lacks."""
    spec = read_dataset_spec(path / SPEC_NAME)
    stem, suffix = _class_files(path, spec)
    present = {file.name for file in path.iterdir()}
    names = [stem.replace("{}", str(entry.number)) + suffix for entry in spec.of_split(split)[0]]
    absent = [name for name in names if name not in present]
    if not absent:
        return []
    some = ", ".join(absent[:3]) + (", ..." if len(absent) > 3 else "")
    return [f"{len(absent)} of {len(names)} class files that {path / SPEC_NAME} names are absent ({some})"]


def open_meta_dataset(path: Path, split: Split | None) -> list[ImageSet]:
    """Open the classes of one split, or of all; an empty split gives no set.

    Raises:
        DataError: The specification is torn.
    """
    spec = read_dataset_spec(path / SPEC_NAME)
    stem, suffix = _class_files(path, spec)
    entries, structure = spec.of_split(split)
    classes = {entry.name: NumberedImages(stem.replace("{}", str(entry.number)), entry.n_images) for entry in entries}
    return [ImageSet(path.name, classes, _source(path, suffix), structure)] if classes else []


def _source(path: Path, suffix: str) -> ImageSource:
    try:
        if suffix == ".h5":
            from hyperflow.datasets.h5_classes import H5Source

            return H5Source(path)
        from hyperflow.datasets.records import RecordSource

        return RecordSource(path, suffix)
    except ModuleNotFoundError as error:
        raise DataError(f"{path} needs {error.name} to be read; pip install 'hyperflow[records]'") from error


def open_h5_folder(path: Path, split: Split | None) -> list[ImageSet]:
    """Open class files that no specification describes: every file is a class.

    Raises:
        DataError: A split is asked for, or a file is torn.
    """
    refuse_split(f"{path} (without {SPEC_NAME})", split)
    source = _source(path, ".h5")
    from hyperflow.datasets.h5_classes import n_images_in

    files = sorted((file for file in path.glob("*.h5") if file.stem.isdigit()), key=lambda file: int(file.stem))
    classes = {file.stem: NumberedImages(file.stem, n_images_in(file)) for file in files}
    if not any(len(images) for images in classes.values()):
        raise DataError(f"{path} holds class files without images")
    return [ImageSet(path.name, classes, source)]
