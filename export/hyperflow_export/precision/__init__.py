"""Precision authored in the graphs: fp16 by casts and types, int8 by quantise and dequantise nodes."""
