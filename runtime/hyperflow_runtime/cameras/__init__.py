"""Cameras: newest frames from CSI, USB, RTSP, files, folders, a rendered scene and recordings."""
