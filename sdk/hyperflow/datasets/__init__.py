"""The field's dataset layouts, each read lazily into image sets."""
