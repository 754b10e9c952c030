"""Offline bundles: all wheels of an installation with their hashes, for networks without a package index."""
