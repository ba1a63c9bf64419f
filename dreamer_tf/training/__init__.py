"""The loop that makes a run, and what it needs to begin."""
