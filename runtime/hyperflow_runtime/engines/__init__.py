"""Engines: TensorRT plans built on a device, and the cache they lie in. Nothing here imports TensorRT."""
