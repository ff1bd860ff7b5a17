"""The doctor: what this device has, what is wrong with it, and what to do about that."""
