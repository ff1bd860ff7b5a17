"""Proof without a board: arm64 systems under emulation, and images built from them."""
