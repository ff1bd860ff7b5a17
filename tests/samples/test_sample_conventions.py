"""What every sample app is held to: a page with a picture and a few steps, one entry, fast help, the runtime alone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
FOLDERS = {folder.name for folder in SAMPLES.iterdir() if folder.is_dir() and folder.name[0] not in "._"}
NO_APPS = {"rendered_objects"}  # renders the pictures that the others and the demo use
APPS = sorted(FOLDERS - NO_APPS)
BANNED = {"torch", "hyperflow", "hyperflow_export"}
MOST_LINES = 300
MOST_STEPS = 3
LARGEST_PICTURE_BYTES = 600_000


def modules(app: str) -> list[Path]:
    return sorted((SAMPLES / app).rglob("*.py"))


def page_of(app: str) -> str:
    return (SAMPLES / app / "README.md").read_text("utf-8")


def first_block(app: str) -> str:
    """What a reader is to copy first."""
    blocks = re.findall(r"```sh\n(.*?)```", page_of(app), re.DOTALL)
    assert blocks, f"the page of {app} has no shell block to copy from"
    return str(blocks[0])


def entry(app: str) -> Path:
    """The script that the page's first steps start first."""
    names = re.findall(rf"python samples/{app}/([\w/]+\.py)", first_block(app))
    assert names, f"the first steps of {app} start none of its scripts"
    return SAMPLES / app / str(names[0])


def steps(block: str) -> int:
    """Steps of a shell block: a comment with the commands below it, or, without comments, each command."""
    lines = [line for line in block.replace("\\\n", " ").splitlines() if line.strip()]
    comments = sum(line.startswith("#") for line in lines)
    return comments or len(lines)


@pytest.mark.parametrize("app", APPS)
def test_the_page_shows_a_picture_and_at_most_three_steps(app: str) -> None:
    page = page_of(app)
    pictures = [SAMPLES / app / target for target in re.findall(r"!\[[^\]]+\]\(([^)\s]+)\)", page)]

    assert 1 <= steps(first_block(app)) <= MOST_STEPS
    assert pictures or "```mermaid" in page
    for picture in pictures:
        assert picture.is_file(), picture
        assert picture.stat().st_size <= LARGEST_PICTURE_BYTES, picture


@pytest.mark.parametrize("app", APPS)
def test_the_page_starts_an_entry_script_and_every_file_it_names_exists(app: str) -> None:
    assert 'if __name__ == "__main__":' in entry(app).read_text("utf-8")
    for named in re.findall(rf"samples/{app}/([\w./-]+\.\w+)", page_of(app)):
        assert (SAMPLES / app / named).exists(), named


@pytest.mark.parametrize("app", APPS)
def test_help_comes_with_an_example(app: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(entry(app)), "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Example" in done.stdout
    assert f"python samples/{app}/{entry(app).name}" in done.stdout


@pytest.mark.parametrize("app", APPS)
def test_modules_are_described_and_short_and_need_the_runtime_alone(app: str) -> None:
    for file in modules(app):
        source = file.read_text("utf-8")
        tree = ast.parse(source)
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

        assert ast.get_docstring(tree), file
        assert len(source.splitlines()) <= MOST_LINES, file
        assert not {name.partition(".")[0] for name in imported} & BANNED, file
