"""From a checkpoint to a bundle: ONNX graphs with proven parity. Needs torch only where it traces."""
