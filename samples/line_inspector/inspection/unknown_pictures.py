"""Pictures of what the inspector does not know, ready to be taught."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["UnknownPictures"]

_OURS = re.compile(r"\d{8}T\d{6}\.\d{3}Z_[0-9a-f]{12}-\d+\.jpg(\.part)?")
_QUALITY = 92


class UnknownPictures:
    """A folder of JPEG files, whole frames, that never grows beyond its bound: the oldest ones go.

    Names are TIME_EVENT.jpg, so that they sort by time; those of the future were made before the clock was set back,
    and count as the oldest. Only files with such names are ever removed.
    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        """Take over what the last run left.

        Args:
            folder: Made where it is absent.
            max_bytes: Bound on all pictures together; a single one that is larger is kept until the next one.

        Raises:
            OSError: The folder cannot be made or read.
        """
        self._folder, self._max_bytes, self.n_kept = folder, max_bytes, 0
        folder.mkdir(parents=True, exist_ok=True)
        self._make_room(0)

    def keep(self, image_bgr: NDArray[np.uint8], event_id: str) -> str:
        """Write a picture; it is there as a whole, or not at all.

        Args:
            image_bgr: (H, W, 3).
            event_id: The event that began this spell of unknown things.

        Returns:
            Its file name.

        Raises:
            OSError: It cannot be written.
        """
        name = f"{_now_text()}_{event_id}.jpg"
        partial = self._folder / f"{name}.part"
        try:
            Image.fromarray(np.ascontiguousarray(image_bgr[:, :, ::-1])).save(partial, "JPEG", quality=_QUALITY)
            self._make_room(partial.stat().st_size, spared=partial)
            partial.replace(self._folder / name)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        self.n_kept += 1
        return name

    def _make_room(self, n_new_bytes: int, *, spared: Path | None = None) -> None:
        now = f"{_now_text()}~"  # behind all names of this millisecond
        ours = [file for file in self._folder.iterdir() if _OURS.fullmatch(file.name) and file != spared]
        ours.sort(key=lambda file: (file.name <= now, file.name))
        for file in ours:
            if file.suffix == ".part":  # a kill left it
                file.unlink(missing_ok=True)
        sizes = {file: file.stat().st_size for file in ours if file.suffix == ".jpg" and file.is_file()}
        excess = sum(sizes.values()) + n_new_bytes - self._max_bytes
        for file, size in sizes.items():
            if excess <= 0:
                return
            file.unlink(missing_ok=True)
            excess -= size


def _now_text() -> str:
    now = datetime.now(timezone.utc)
    return f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}Z"
