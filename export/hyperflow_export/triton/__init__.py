"""Writing model repositories for Triton Inference Server. Needs the runtime only: no torch."""
