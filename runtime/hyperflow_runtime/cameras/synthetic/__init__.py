"""A rendered scene with known labels, for trying and testing without a lens."""
