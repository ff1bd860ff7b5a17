"""TensorRT engines from a bundle's graphs, built on the device or ahead of time, with neither torch nor onnx."""
