"""Reports of evaluated models."""
