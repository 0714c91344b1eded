"""The graph's code."""
