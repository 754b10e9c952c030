"""Conversion of encoders to BigBird, and merging of adapters."""
