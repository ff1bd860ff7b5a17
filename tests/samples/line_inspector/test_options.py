"""Options from the command line, the environment and a file; wrong ones end in one clear line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from line_inspector_parts import SCRIPT, write_line


@pytest.fixture
def given(tmp_path: Path, tiny_bundle: Path, adaptation: Path) -> dict[str, str]:
    """Options of a run that ends by itself."""
    camera = f"dir://{write_line(tmp_path, 'red', n_each=10)}?fps=20"
    return {
        "camera": camera, "adaptation": str(adaptation), "bundle": str(tiny_bundle), "hold-ms": "0", "threads": "1"
    }  # fmt: skip


def run(*arguments: object, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", str(SCRIPT), *map(str, arguments)],
        capture_output=True, text=True, timeout=120, cwd=folder, env={**os.environ, **environment},
    )  # fmt: skip


def as_arguments(options: dict[str, str]) -> list[str]:
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def test_the_command_line_wins_over_the_environment_and_this_over_the_file(
    tmp_path: Path, given: dict[str, str]
) -> None:
    config = {**given, "station": "file", "heartbeat_s": 0.1, "json": True}
    lines = [f"{name} = {json.dumps(value)}" for name, value in config.items()]
    (tmp_path / "inspector.toml").write_text("\n".join(lines))
    stations = []
    for arguments, environment in (
        ([], {}),
        ([], {"LINE_INSPECTOR_STATION": "environment"}),
        (["--station", "command line"], {"LINE_INSPECTOR_STATION": "environment"}),
    ):
        done = run("--config", "inspector.toml", *arguments, folder=tmp_path, **environment)

        assert done.returncode == 0, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert {"label", "heartbeat"} <= {event["type"] for event in events}
        stations.append(events[0]["station"])
    assert stations == ["file", "environment", "command line"]


def test_json_may_stand_in_the_environment_too(tmp_path: Path, given: dict[str, str]) -> None:
    done = run(*as_arguments(given), folder=tmp_path, LINE_INSPECTOR_JSON="1")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0])["type"] == "started"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('camra = "synthetic://"', "did you mean 'camera'?"),
        ('config = "other.toml"', "an option 'config' that there is not"),
        ("hold-ms = [1, 2]", "must be a text, a number, true or false"),
        ('hold-ms = "soon"', "is not a valid integer"),
        ("hold-ms = ", "is no TOML file"),
        ("\xff\xfe", "is no TOML file"),
    ],
)
def test_a_wrong_file_of_options_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "inspector.toml").write_bytes(text.encode("latin-1"))

    done = run("--config", "inspector.toml", "--camera", "synthetic://", "--adaptation", "x", folder=tmp_path)

    assert done.returncode == 2
    assert reason in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"camera": "telegraph://x"}, 2, "no camera is addressed as"),
        ({"camera": "rtsp://me:hunter2@host:0/x"}, 2, "port"),
        ({"webhook": "ftp://x"}, 2, "no http or https address"),
        ({"mqtt": "mqtt://broker"}, 2, "topic"),
        ({"mqtt": "mqtt://me:hunter2@broker/x"}, 2, "--mqtt-password-file"),
        ({"mqtt": "mqtts://broker/x", "mqtt-ca-file": "none.pem"}, 2, "no certificates"),
        ({"mqtt": "mqtt://broker/x", "mqtt-password-file": "none"}, 2, "cannot be read"),
        ({"webhook": "http://h/", "webhook-auth-file": "none"}, 2, "cannot be read"),
        ({"fps": "0"}, 2, "--fps"),
        ({"adaptation": "none.adaptation"}, 1, "no adaptation at none.adaptation"),
        ({"bundle": "none.hyperflow"}, 1, "none.hyperflow"),
        ({"spool": "/dev/null/spool", "events": "e"}, 1, "the spool /dev/null/spool cannot be used"),
        ({"unknowns": "/dev/null/unknowns"}, 1, "/dev/null"),
    ],
)
def test_what_cannot_be_used_ends_in_one_clear_line(
    tmp_path: Path, given: dict[str, str], change: dict[str, str], status: int, reason: str
) -> None:
    done = run(*as_arguments({**given, **change}), folder=tmp_path)

    assert done.returncode == status, done.stderr
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


def test_people_get_lines_and_quiet_prints_nothing(tmp_path: Path, given: dict[str, str]) -> None:
    done = run(*as_arguments(given), folder=tmp_path)
    silent = run(*as_arguments(given), "--quiet", folder=tmp_path)

    assert any("label" in line and "red" in line for line in done.stdout.splitlines())
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, "", "")


def test_help_shows_an_example_and_loads_nothing_heavy(tmp_path: Path) -> None:
    script = f"import sys\nsys.path.insert(0, {str(SCRIPT.parent)!r})\nsys.argv[:] = ['x', '--help']\n"
    script += "import inspect_line\ntry:\n    inspect_line.main()\nexcept SystemExit:\n    pass\n"
    script += "print(sorted({'numpy', 'hyperflow_runtime', 'paho', 'sqlite3'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=tmp_path)

    assert "python samples/line_inspector/inspect_line.py --camera synthetic://" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_schema_is_printed(tmp_path: Path) -> None:
    done = run("--schema", folder=tmp_path)

    assert done.returncode == 0
    assert done.stdout == (SCRIPT.parent / "event.schema.json").read_text()


def test_the_example_file_names_options_that_there_are(tmp_path: Path) -> None:
    done = run("--config", SCRIPT.with_name("inspector.example.toml"), folder=tmp_path)

    assert done.returncode == 1
    assert "/opt/hyperflow/build/small.hyperflow" in done.stderr


def test_the_readme_names_options_that_there_are(tmp_path: Path) -> None:
    text = SCRIPT.with_name("README.md").read_text()
    known = set(re.findall(r"--[a-z-]+", run("--help", folder=tmp_path).stdout))
    commands = re.findall(r"inspect_line\.py (.*?[^\\])\n", text, re.DOTALL)

    assert len(commands) == 2
    for command in commands:
        assert set(re.findall(r"--[a-z-]+", command)) <= known
