"""Prediction of corpora of any size: sources, shards, workers, and the folder that a run writes."""
