"""Tasks, one folder each."""
