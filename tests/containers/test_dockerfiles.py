"""The Dockerfiles, checked as far as that goes without building them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("Dockerfile", "Dockerfile.jetson")


def texts(reader: ModuleType, name: str, instruction: str) -> list[str]:
    return [found.text for found in reader.instructions(ROOT / name) if found.name == instruction]


@pytest.mark.parametrize("name", NAMES)
def test_every_line_is_an_instruction(dockerfiles: ModuleType, name: str) -> None:
    found = dockerfiles.instructions(ROOT / name)

    assert {instruction.name for instruction in found} <= dockerfiles.INSTRUCTIONS
    assert found[0].name == "ARG"  # before FROM, so that the base can be chosen
    assert all(instruction.text for instruction in found)


@pytest.mark.parametrize("name", NAMES)
def test_every_shell_command_parses(dockerfiles: ModuleType, name: str) -> None:
    for command in texts(dockerfiles, name, "RUN"):
        parsed = subprocess.run(["sh", "-n", "-c", command], capture_output=True, text=True)
        assert parsed.returncode == 0, f"{command}\n{parsed.stderr}"


@pytest.mark.parametrize("name", NAMES)
def test_every_python_snippet_compiles(dockerfiles: ModuleType, name: str) -> None:
    snippets = [
        words[index + 2]
        for command in texts(dockerfiles, name, "RUN")
        for words in [shlex.split(command.replace(";", " ; ") if "python" not in command else command)]
        for index, word in enumerate(words[:-2])
        if word.endswith(("python", "python3")) and words[index + 1] == "-c"
    ]

    assert snippets
    for snippet in snippets:
        compile(snippet, name, "exec")


@pytest.mark.parametrize("name", NAMES)
def test_everything_copied_is_there_and_not_ignored(dockerfiles: ModuleType, name: str) -> None:
    sources = [
        source for found in dockerfiles.instructions(ROOT / name) if found.name == "COPY" for source in found.copied
    ]

    assert {"pyproject.toml", "runtime", "export", "sdk", "samples"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert not dockerfiles.is_ignored(source, ROOT / ".dockerignore"), source


def test_all_that_the_wheel_holds_is_copied(dockerfiles: ModuleType) -> None:
    packages = re.search(r"targets\.wheel\]\npackages = (\[.*\])", (ROOT / "pyproject.toml").read_text())
    assert packages is not None
    folders = {Path(package).parts[0] for package in json.loads(packages[1])}

    for name in NAMES:
        copied = {source for found in dockerfiles.instructions(ROOT / name) for source in found.copied}
        assert folders <= copied


@pytest.mark.parametrize(
    "path",
    [".git/config", ".venv/bin/python", "build/small.hyperflow/manifest.json", "runs/a", "tests/conftest.py", ".env",
     "models/small/model.safetensors", "runtime/hyperflow_runtime/__pycache__/a.pyc", "samples/desk.adaptation"],
)  # fmt: skip
def test_nothing_else_reaches_the_build(dockerfiles: ModuleType, path: str) -> None:
    assert dockerfiles.is_ignored(path, ROOT / ".dockerignore")


@pytest.mark.parametrize("name", NAMES)
def test_the_image_runs_as_a_user_and_checks_its_health(dockerfiles: ModuleType, name: str) -> None:
    assert texts(dockerfiles, name, "USER")[-1] == "hyperflow"
    assert json.loads(texts(dockerfiles, name, "ENTRYPOINT")[-1]) == ["hyperflow-runtime"]
    assert json.loads(texts(dockerfiles, name, "VOLUME")[-1]) == ["/models", "/data"]
    (health,) = texts(dockerfiles, name, "HEALTHCHECK")
    command = json.loads(health.split("CMD", 1)[1])

    from hyperflow_runtime.commands.main import main

    assert command[0] == "hyperflow-runtime"
    assert command[1] in main.commands
    assert set(command[2:]) <= {option for parameter in main.commands[command[1]].params for option in parameter.opts}


def test_a_change_of_the_source_leaves_packages_and_requirements_alone(dockerfiles: ModuleType) -> None:
    for name in NAMES:
        found = dockerfiles.instructions(ROOT / name)
        last_stage = max(index for index, instruction in enumerate(found) if instruction.name == "FROM")
        source = next(index for index, one in enumerate(found) if one.name == "COPY" and "sdk" in one.copied)
        for instruction in found[last_stage:]:
            fetches = instruction.name == "RUN" and re.search(r"apt-get|pip install(?!.*--no-deps)", instruction.text)
            assert not (fetches and found.index(instruction) > source), instruction.text


def test_no_engine_is_built_into_an_image(dockerfiles: ModuleType) -> None:
    for name in NAMES:
        assert not any("hyperflow-export engine" in text for text in texts(dockerfiles, name, "RUN"))


def table_rows(text: str) -> list[list[str]]:
    """Rows of the table whose first column is JetPack, without its heading."""
    rows = [re.findall(r"[^|]+", line.strip("# \n")) for line in text.splitlines() if re.match(r"#?\s*\|", line)]
    cells = [[cell.strip(" `") for cell in row if cell.strip()] for row in rows]
    start = next(index for index, row in enumerate(cells) if row[0] == "JetPack" and "base image" in row)
    return [row for row in cells[start + 2 :] if len(row) == len(cells[start]) and re.match(r"\d", row[0])]


def test_the_table_of_base_images_is_the_same_in_the_dockerfile_and_the_docs(dockerfiles: ModuleType) -> None:
    in_dockerfile = table_rows((ROOT / "Dockerfile.jetson").read_text())
    in_docs = table_rows((ROOT / "docs/jetson.md").read_text())

    assert len(in_dockerfile) >= 4
    assert in_docs == in_dockerfile
    default = texts(dockerfiles, "Dockerfile.jetson", "ARG")[0].split("=", 1)[1]
    assert default in [row[2] for row in in_dockerfile]
