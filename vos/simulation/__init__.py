"""Simulated labelling rounds with a declared oracle instead of people."""
