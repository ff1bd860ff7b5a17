"""Backends: what runs the two graphs of a bundle."""
