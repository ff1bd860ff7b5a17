"""The error of the proofs."""

from __future__ import annotations

__all__ = ["CannotRun", "CheckError", "ProofFailed"]


class CheckError(Exception):
    """Why a proof ended, with the next move."""


class CannotRun(CheckError):
    """This machine lacks something that the proof needs; nothing was proved or refuted."""


class ProofFailed(CheckError):
    """What was to be proved does not hold."""
