"""Ablations: variants times seeds, one child process each."""
