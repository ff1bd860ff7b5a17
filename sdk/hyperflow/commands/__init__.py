"""The `hyperflow` command."""
