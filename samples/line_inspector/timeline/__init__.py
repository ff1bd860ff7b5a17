"""A picture of what happened on a line."""
