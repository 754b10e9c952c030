"""Export of trained models to folders that run without torch, see `kospan.runtime`."""
