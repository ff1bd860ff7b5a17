"""Episodes: small classification tasks drawn from image sets, replayable from a seed."""
