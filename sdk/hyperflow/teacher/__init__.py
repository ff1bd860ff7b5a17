"""The teacher: real fine-tuning by gradients, which the drift learns to follow and is compared with."""
