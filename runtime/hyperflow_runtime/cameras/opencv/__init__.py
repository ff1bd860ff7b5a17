"""Cameras and files that OpenCV reads."""
