"""From frames to events: labels, the camera, pictures of unknown things, the adaptation in force."""
