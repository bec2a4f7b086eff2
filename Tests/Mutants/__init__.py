"""Faults planted on purpose, to see whether the project's own checks find them."""
