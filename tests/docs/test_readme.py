"""What the README shows runs: its Python block for real, its command lines against the real commands."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [README, *(page.read_text() for page in sorted((ROOT / "docs").glob("*.md")))]
GROUPS = {
    "hyperflow": "hyperflow.commands.main",
    "hyperflow-export": "hyperflow_export.commands.main",
    "hyperflow-runtime": "hyperflow_runtime.commands.main",
}


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def command_lines() -> list[str]:
    found = [block for page in PAGES for block in blocks("sh", page)]
    lines = [line.split("#")[0].strip() for block in found for line in block.splitlines()]
    return sorted({line for line in lines if line.split(" ")[0] in GROUPS})


def test_the_device_code_runs_as_printed(tmp_path: Path, tiny_bundle: Path) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "build/small.hyperflow")
    rng = np.random.default_rng(0)
    for path in (
        "support/mug/a.jpg",
        "support/mug/b.jpg",
        "support/pen/a.jpg",
        "support/pen/b.jpg",
        "query/mug/000.jpg",
    ):
        file = tmp_path / "build/demo-images" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)).save(file)
    (code,) = blocks("python")

    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "adapted in" in done.stdout
    assert (tmp_path / "desk.adaptation").exists()


@pytest.mark.parametrize("line", command_lines())
def test_every_command_line_names_options_that_exist(line: str) -> None:
    program, name, *arguments = shlex.split(line)
    group: click.Group = import_module(GROUPS[program]).main
    command = group.get_command(click.Context(group), name)

    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    used = {argument.split("=")[0] for argument in arguments if argument.startswith("-")}
    assert used <= known


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"\bmake (\w+)", README))
    defined = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert targets
    assert targets <= defined


def test_every_link_in_the_docs_leads_somewhere() -> None:
    for page in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").glob("*.md"),
        *ROOT.glob("*/*/README.md"),
    ):
        if ".venv" in page.parts:
            continue
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
