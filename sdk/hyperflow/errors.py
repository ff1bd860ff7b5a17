"""Every error that `hyperflow` raises on purpose."""

from __future__ import annotations

__all__ = ["CheckpointError", "ConfigError", "DataError", "HyperflowError", "TrainingError"]


class HyperflowError(Exception):
    """Root of all errors of this package: catch it to catch them all."""


class CheckpointError(HyperflowError):
    """A checkpoint is missing, torn, or does not fit its own configuration."""


class ConfigError(HyperflowError):
    """A configuration has a value that cannot work."""


class DataError(HyperflowError):
    """Images or image sets are missing, unreadable, or too few for what was asked."""


class TrainingError(HyperflowError):
    """A training run cannot start, resume or go on."""
