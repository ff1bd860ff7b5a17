"""Both graphs as TensorRT engines, on an NVIDIA GPU. Only `library` imports TensorRT, only `cuda` imports pycuda."""
