"""Trainer, training techniques and callbacks."""
