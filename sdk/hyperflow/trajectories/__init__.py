"""Trajectories of the teacher: simulated offline over many workers, kept on disk, checked when read."""
