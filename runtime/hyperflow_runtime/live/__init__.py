"""A session that follows a camera: predictions of the newest frame, shots encoded in the background."""
