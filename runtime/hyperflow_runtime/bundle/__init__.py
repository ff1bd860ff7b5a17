"""The bundle: what an exported model is made of, and how it is read without trusting it."""
