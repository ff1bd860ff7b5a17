"""Write down which names each TensorRT has. By hand, when one is added: `python tests/data/tensorrt_api/make_tables.py`

The names come from NVIDIA's own Python bindings, the packages `tensorrt-cuXX-bindings` and `tensorrt-rtx-cu13-bindings`
on PyPI, a few megabytes each. They call a handful of C functions of TensorRT's libraries, which weigh gigabytes; to be
imported they need no more than libraries with functions of those names, which this script compiles. So it needs Linux,
x86_64, `cc`, `nm` and `readelf` (binutils), a Python for which all these packages have wheels (3.10 to 3.12), and PyPI.
pycuda is never imported either: its names are read from the sources in its source distribution.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from describe_bindings import describe
from describe_pycuda import describe_pycuda

HERE = Path(__file__).parent
BINDINGS = {
    "tensorrt-10.3": "tensorrt-cu12-bindings==10.3.0",
    "tensorrt-10.13": "tensorrt-cu13-bindings==10.13.3.9",
    "tensorrt-10.16": "tensorrt-cu13-bindings==10.16.1.11",
    "tensorrt-11.4": "tensorrt-cu13-bindings==11.4.0.106",
    "tensorrt_rtx-1.7": "tensorrt-rtx-cu13-bindings==1.7.1.116",
}
PYCUDAS = {"pycuda-2024.1": "pycuda==2024.1"}  # the oldest that the project allows; 2026.1 has the same names
_ENTRY_POINT = re.compile(r"create\w+_INTERNAL|get\w+(Registry|Version)|initLib\w+")


def download(requirement: str, folder: Path, *options: str) -> Path:
    """Fetch one package, without what it depends on."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        *options,
        "-d",
        str(folder),
        requirement,
    ]
    subprocess.run(command, check=True)
    (package,) = (path for path in folder.iterdir() if path.suffix in {".whl", ".gz"})
    return package


def lines_of(*command: str | Path) -> list[str]:
    """Output of a command, line by line."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def make_libraries(extension: Path, folder: Path) -> None:
    """Compile empty libraries under the names that an extension module asks for."""
    needed = [
        found[1] for line in lines_of("readelf", "-d", extension) if (found := re.search(r"NEEDED.*\[(.+)\]", line))
    ]
    symbols = {line.split()[-1] for line in lines_of("nm", "-D", "--undefined-only", extension)}
    source = folder / "entry_points.c"
    source.write_text(
        "".join(f"void *{name}(void) {{ return 0; }}\n" for name in sorted(symbols) if _ENTRY_POINT.fullmatch(name))
    )
    for name in needed:
        if re.search("nvinfer|nvonnx|tensorrt", name):
            command = ["cc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", str(folder / name), str(source)]
            subprocess.run(command, check=True)


def describe_wheel(requirement: str) -> dict[str, Any]:
    """Import a wheel's bindings in a process of their own, and describe them."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        wheel = download(requirement, folder, "--only-binary", ":all:")
        zipfile.ZipFile(wheel).extractall(folder / "wheel")
        (extension,) = (folder / "wheel").glob("*/*.so")
        make_libraries(extension, folder)
        environment = {**os.environ, "LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(folder / "wheel")}
        command = [sys.executable, __file__, extension.parent.name]
        said = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout
    table: dict[str, Any] = json.loads(said)
    return table


def describe_source(requirement: str) -> dict[str, Any]:
    """Read the names of a pycuda from its sources."""
    with TemporaryDirectory() as name:
        archive = download(requirement, Path(name), "--no-binary", "pycuda")
        with tarfile.open(archive) as sources:
            texts = {Path(member.name).name: sources.extractfile(member) for member in sources if member.isfile()}
            wanted = {file: texts[file] for file in ("wrap_cudadrv.cpp", "mempool.cpp", "driver.py")}
            return describe_pycuda({file: stream.read().decode() for file, stream in wanted.items() if stream})


def write(name: str, source: str, table: dict[str, Any]) -> None:
    """Write a table, one line for each name in it."""
    lines = [f'"source": {json.dumps(source)}']
    for key in sorted(table):
        if isinstance(table[key], dict):
            entries = (f"{json.dumps(k)}: {json.dumps(v, sort_keys=True)}" for k, v in sorted(table[key].items()))
            lines.append(f"{json.dumps(key)}: {{\n " + ",\n ".join(entries) + "\n}")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(table[key])}")
    (HERE / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main() -> None:
    """Without an argument make all tables; with the name of a package, print its description."""
    if len(sys.argv) > 1:
        print(json.dumps(describe(import_module(sys.argv[1]))))
        return
    for name, requirement in BINDINGS.items():
        write(name, requirement, describe_wheel(requirement))
    for name, requirement in PYCUDAS.items():
        write(name, requirement, {"version": requirement.partition("==")[2], **describe_source(requirement)})


if __name__ == "__main__":
    main()
