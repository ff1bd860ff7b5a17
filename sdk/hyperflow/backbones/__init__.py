"""Networks from images to features, and the folding of their BatchNorm."""
