"""`python -m hyperflow_runtime`, where the command itself is not on the path."""

from __future__ import annotations

from hyperflow_runtime.commands.main import main

if __name__ == "__main__":
    main(prog_name="hyperflow-runtime")
