"""The `hyperflow-export` command."""
