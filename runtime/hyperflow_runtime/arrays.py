"""Arrays from files that nobody vouches for: `.npy` and `.npz` without pickle, without bombs."""

from __future__ import annotations

import io
import math
import zipfile

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_npy", "read_npz"]

_MAX_MEMBERS = 64
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what numpy writes
_PLAIN_KINDS = "fiu"  # floating point, signed and unsigned integers


def read_npy(data: bytes) -> NDArray[np.generic]:
    """Decode one `.npy` file whose size agrees with its header.

    Args:
        data: The file.

    Raises:
        ValueError: No `.npy`, an object array, or more or fewer bytes than the header says.
    """
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f".npy version {version} is not supported")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, fortran_order, dtype = read_header(stream)
    except Exception as error:  # numpy lets out whatever its parser of Python literals raises
        raise ValueError(f"the .npy header cannot be read ({error!r:.200})") from error
    if dtype.hasobject or dtype.kind not in _PLAIN_KINDS:
        raise ValueError(f"arrays of {dtype} are not accepted")
    expected = math.prod(shape) * dtype.itemsize
    if len(data) - stream.tell() != expected:
        raise ValueError(f"shape {shape} needs {expected} bytes, but {len(data) - stream.tell()} follow")
    flat = np.frombuffer(data, dtype=dtype, offset=stream.tell())
    return flat.reshape(shape, order="F" if fortran_order else "C")


def read_npz(data: bytes, *, max_bytes: int) -> dict[str, NDArray[np.generic]]:
    """Decode all arrays of an `.npz` file.

    Args:
        data: The file.
        max_bytes: Most bytes that all members together may have after decompression.

    Returns:
        Arrays by member name, without `.npy`.

    Raises:
        ValueError: No zip, too many or too large members, or a member that is no plain array.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if len(members) > _MAX_MEMBERS or total > max_bytes:
                raise ValueError(f"{len(members)} members of {total} bytes exceed {_MAX_MEMBERS} of {max_bytes}")
            if any(member.compress_type not in _COMPRESSIONS for member in members):
                raise ValueError("a member is compressed in another way than numpy does")
            return {member.filename.removesuffix(".npy"): read_npy(archive.read(member)) for member in members}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise ValueError(f"not a whole .npz file ({error})") from error
