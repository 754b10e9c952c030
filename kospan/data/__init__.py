"""Readers of data sets and annotation formats, and corpora built from them."""
