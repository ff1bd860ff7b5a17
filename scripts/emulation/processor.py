"""The processor that emulated programs see.

qemu-user shows programs the `/proc/cpuinfo` of this machine; onnxruntime believes it and crashes on its import. So they
get one of a Neoverse N1, the server twin of the Cortex-A76: ARM v8.2 with dot products and half precision, as the
Cortex-A78AE of a Jetson Orin.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["QEMU_CPU", "write_cpuinfo"]

QEMU_CPU = "neoverse-n1"

_FEATURES = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp ssbs"
_ENTRY = """processor\t: {index}
BogoMIPS\t: 50.00
Features\t: {features}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1

"""


def write_cpuinfo(folder: Path) -> Path:
    """Write a `cpuinfo` with as many such cores as this machine has, and give its path."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "cpuinfo"
    file.write_text("".join(_ENTRY.format(index=index, features=_FEATURES) for index in range(os.cpu_count() or 1)))
    return file
