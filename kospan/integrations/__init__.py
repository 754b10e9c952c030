"""Plug-ins for other libraries: Presidio and spaCy."""
