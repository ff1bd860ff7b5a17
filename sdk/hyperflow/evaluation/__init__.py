"""Evaluation: the same episodes for every method, with confidence intervals and paired differences."""
