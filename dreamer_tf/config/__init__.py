"""The keys of a run: their types, presets, the command line."""
