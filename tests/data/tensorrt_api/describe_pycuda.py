"""Describe the names of `pycuda.driver` from pycuda's sources, which wrap CUDA's driver with Boost.Python."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["describe_pycuda"]

_CUDA_VERSION = 12060  # of JetPack 6; what a newer CUDA adds is not in the tables
_STATEMENT = re.compile(r";\s")
_NAMED = re.compile(r"(?:\bdef|DEF_SIMPLE_\w+)\(\s*\"?(\w+)\"?")
_ARGUMENTS = re.compile(r"py::args?\(([^)]*)\)\s*(=)?")


def describe_pycuda(sources: Mapping[str, str]) -> dict[str, Any]:
    """Describe pycuda.

    Args:
        sources: Text of `wrap_cudadrv.cpp`, `mempool.cpp` and `driver.py`.

    Returns:
        `classes` (bases, methods with the names of their arguments or none where C++ names none, properties, values),
        `enums` (names of the members), `functions`, `exceptions` and `values`.
    """
    found: dict[str, Any] = {"classes": {}, "enums": {}, "exceptions": {}, "functions": {}, "values": []}
    for file in ("wrap_cudadrv.cpp", "mempool.cpp"):
        _read_cpp(_preprocessed(sources[file]), found)
    _read_python(sources["driver.py"], found)
    found["values"].sort()
    return found


def _preprocessed(text: str) -> str:
    text = re.sub(r"^\s*#\s*include.*$", "", text, flags=re.MULTILINE)
    defined = {"CUDAPP_CUDA_VERSION": _CUDA_VERSION, "CUDAPP_POST_30_BETA": 1, "PY_VERSION_HEX": 0x030A0000}
    options = [f"-D{name}={value}" for name, value in defined.items()]
    command = ["cc", "-E", "-P", "-x", "c++", *options, "-"]
    text = subprocess.run(command, input=text, check=True, capture_output=True, text=True).stdout
    return re.split(r"BOOST_PYTHON_MODULE\(_driver\)|void pycuda_expose_tools\(\)\s*(?={)", text)[1]


def _read_cpp(text: str, found: dict[str, Any]) -> None:
    names_of: dict[str, str] = {}
    typedef = ""
    members: dict[str, Any] = {}
    for statement in _STATEMENT.split(text):
        if alias := re.search(r"typedef ([\w:]+)(?:<.*>)? cl\b", statement):
            typedef = alias[1]
        if enum := re.search(r'py::enum_<\w+>\("(\w+)"\)', statement):
            found["enums"][enum[1]] = re.findall(r'\.value\("(\w+)"', statement)
        elif opened := re.search(r'py::class_<.*?>\s*\w*\s*\(\s*"(\w+)"', statement, re.DOTALL):
            names_of[typedef] = opened[1]
            bases = re.findall(r"py::bases<\s*(\w+)", statement)
            members = found["classes"][opened[1]] = {
                "bases": [names_of[base] for base in bases], "methods": {}, "properties": [], "values": []
            }  # fmt: skip
            _read_members(statement, members)
        elif re.match(r"\s*\}?\s*wra?p", statement):
            _read_members(statement, members)
        elif value := re.search(r'cls\.attr\("(\w+)"\)', statement):
            members["values"].append(value[1])
        elif value := re.search(r'py::scope\(\)\.attr\("(\w+)"\) = (Cuda\w+)?', statement):
            if value[2]:
                found["exceptions"][value[1]] = "Error" if value[1] != "Error" else None
            else:
                found["values"].append(value[1])
        elif function := _NAMED.search(statement):
            found["functions"][function[1]] = _arguments(statement)


def _read_members(statement: str, members: dict[str, Any]) -> None:
    for part in re.split(r"(?=\.(?:def|DEF|add|static))", statement)[1:]:
        name = re.search(r'\(\s*"?(\w+)', part)
        if name is None or name[1].startswith("_") or part.startswith(".static"):
            continue
        if re.match(r"\.(add_property|def_read)", part):
            members["properties"].append(name[1])
        elif not part.startswith(".def(py::"):
            members["methods"][name[1]] = _arguments(part)


def _arguments(text: str) -> list[str] | None:
    """Names of arguments, with "=" after those that may be left out; None where the wrapper names none."""
    written = list(_named_arguments(text))
    return [name for name in written if name != "self"] if written else None


def _named_arguments(text: str) -> Iterator[str]:
    if tuple_of_names := re.search(r"_WITH_ARGS\(\w+,\s*\(([^)]*)\)", text):
        yield from re.findall(r'"(\w+)"', tuple_of_names[1])
    for names, optional in _ARGUMENTS.findall(text):
        for name in re.findall(r'"(\w+)"', names):
            yield f"{name}=" if optional else name


def _read_python(text: str, found: dict[str, Any]) -> None:
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            n_required = len(node.args.args) - len(node.args.defaults)
            names = [argument.arg for argument in node.args.args]
            found["functions"][node.name] = names[:n_required] + [f"{name}=" for name in names[n_required:]]
        elif isinstance(node, ast.ClassDef):
            bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
            if "Error" in bases:
                found["exceptions"][node.name] = "Error"
            else:
                methods = {item.name: None for item in node.body if isinstance(item, ast.FunctionDef)}
                methods = {name: None for name in methods if not name.startswith("_")}
                found["classes"][node.name] = {"bases": bases, "methods": methods, "properties": [], "values": []}
    for owner, name in re.findall(r"^ +(Device|Function)\.([a-z]\w+) = ", text, re.MULTILINE):
        found["classes"][owner]["methods"][name] = None
