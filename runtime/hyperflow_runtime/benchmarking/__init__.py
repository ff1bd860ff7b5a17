"""Benchmarks of a bundle on a board: what is timed, on what, under which conditions, and against which reference."""
