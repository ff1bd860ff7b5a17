"""HyperFlow: few-shot adaptation without gradients, the training side.

On a device use `hyperflow_runtime`, which needs no torch. Importing a module of this package that computes needs torch;
`import hyperflow` and `hyperflow --help` do not.

Example:
    >>> from pathlib import Path
    >>> from hyperflow.checkpoint import load_checkpoint
    >>> model = load_checkpoint(Path("models/small"))  # doctest: +SKIP
"""

from __future__ import annotations
