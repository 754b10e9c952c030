"""Pretraining of encoders on raw text."""
