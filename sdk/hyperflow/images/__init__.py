"""Images in: where they lie, how they are decoded, cropped, augmented and normalised."""
