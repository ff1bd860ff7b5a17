"""compose.yaml: what Compose requires of it, and what the project promises."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="needs PyYAML to read compose.yaml")

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text()
KNOWN = {
    "build", "command", "devices", "entrypoint", "environment", "group_add", "healthcheck", "image", "init",
    "network_mode", "profiles", "restart", "runtime", "volumes",
}  # fmt: skip


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    parsed: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
    return parsed


def test_it_is_valid_by_the_schema_of_compose() -> None:
    pytest.importorskip("check_jsonschema", reason="needs check-jsonschema, which holds the schema of Compose")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]

    done = subprocess.run([*command, ROOT / "compose.yaml"], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_service_has_known_keys_and_builds_a_dockerfile_of_the_project(
    services: dict[str, dict[str, Any]],
) -> None:
    assert set(services) == {"jetson", "engine", "studio", "cpu"}
    for service in services.values():
        assert set(service) <= KNOWN
        assert (ROOT / service["build"]["dockerfile"]).is_file()
        assert re.fullmatch(r"no|always|unless-stopped|on-failure(:\d+)?", service["restart"])


def test_build_arguments_are_arguments_of_the_dockerfile(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        declared = re.findall(r"^ARG (\w+)", (ROOT / service["build"]["dockerfile"]).read_text(), re.MULTILINE)
        assert set(service["build"].get("args", {})) <= set(declared)


def test_the_default_base_is_that_of_the_dockerfile(services: dict[str, dict[str, Any]]) -> None:
    default = services["jetson"]["build"]["args"]["BASE_IMAGE"].split(":-", 1)[1].rstrip("}")

    assert f"ARG BASE_IMAGE={default}\n" in (ROOT / "Dockerfile.jetson").read_text()


def test_the_volumes_are_those_of_the_images_and_named_ones_are_declared(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        dockerfile = (ROOT / service["build"]["dockerfile"]).read_text()
        promised = json.loads(re.findall(r"^VOLUME (.*)$", dockerfile, re.MULTILINE)[-1])
        short = [volume for volume in service["volumes"] if isinstance(volume, str)]
        assert {volume.rsplit(":", 1)[1] for volume in short} == set(promised)
    assert "hyperflow-data" in yaml.safe_load(TEXT)["volumes"]


def test_only_a_jetson_gets_the_nvidia_runtime_and_nothing_of_the_board_is_made_by_docker(
    services: dict[str, dict[str, Any]],
) -> None:
    assert "runtime" not in services["cpu"]
    assert services["jetson"]["runtime"] == services["engine"]["runtime"] == "nvidia"
    binds = [volume for volume in services["jetson"]["volumes"] if isinstance(volume, dict)]
    assert {bind["source"] for bind in binds} == {"/tmp/argus_socket", "/etc/nv_tegra_release"}
    assert all(bind["bind"] == {"create_host_path": False} for bind in binds)


def test_every_variable_is_explained_and_has_a_default() -> None:
    used = set(re.findall(r"\$\{(\w+):-", TEXT))
    explained = set(re.findall(r"^#   ([A-Z_]+) ", TEXT, re.MULTILINE))

    assert used == explained
    assert not re.search(r"\$\{\w+\}", TEXT)


def test_the_commands_shown_exist(services: dict[str, dict[str, Any]]) -> None:
    import click

    from hyperflow_export.commands.main import main as export_main
    from hyperflow_runtime.commands.main import main as runtime_main

    lines = re.findall(r"docker compose run --rm (\w+) (\w+)", TEXT)
    assert len(lines) >= 3
    for service, command in lines:
        group = export_main if services[service].get("entrypoint") == ["hyperflow-export"] else runtime_main
        assert group.get_command(click.Context(group), command) is not None, command
