"""The drift network: support encoder, drift field, and the Euler steps that follow it."""
