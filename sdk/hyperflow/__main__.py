"""`python -m hyperflow` and `torchrun -m hyperflow`: the `hyperflow` command."""

from hyperflow.commands.main import main

if __name__ == "__main__":
    main()
