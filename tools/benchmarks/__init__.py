"""The parts of tools/benchmark.py; each measures one thing and returns rows of a table."""
