"""The `hyperflow-runtime` command."""
