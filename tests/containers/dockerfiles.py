"""Reading a Dockerfile far enough to check it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

INSTRUCTIONS = frozenset(
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL RUN SHELL STOPSIGNAL USER VOLUME WORKDIR".split()
)


@dataclass(frozen=True)
class Instruction:
    name: str
    text: str

    @property
    def copied(self) -> list[str]:
        """Sources of a COPY out of the build's context."""
        words = shlex.split(self.text)
        if any(word.startswith("--from=") for word in words):
            return []
        return [word for word in words if not word.startswith("--")][:-1]


def instructions(path: Path) -> list[Instruction]:
    """All instructions in order, with continued lines joined and comments left out."""
    lines = [line for line in path.read_text().splitlines() if not re.match(r"\s*(#|$)", line)]
    found = []
    for joined in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        name, _, text = joined.strip().partition(" ")
        found.append(Instruction(name, text.strip()))
    return found


def is_ignored(path: str, ignore_file: Path) -> bool:
    """Whether a `.dockerignore` keeps a path out of the context: the last pattern that matches it decides."""
    ignored = False
    for line in ignore_file.read_text().splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        negated, pattern = pattern.startswith("!"), pattern.lstrip("!")
        if any(_matches(part, pattern) for part in _with_parents(path)):
            ignored = not negated
    return ignored


def _with_parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def _matches(path: str, pattern: str) -> bool:
    wildcards = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    tokens = re.findall(r"\*\*/|\*\*|\*|\?|\[[^]]*\]|.", pattern)
    regex = "".join(wildcards.get(token, token if len(token) > 1 else re.escape(token)) for token in tokens)
    return re.fullmatch(regex, path) is not None
