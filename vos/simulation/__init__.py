"""Rounds of labelling with a declared oracle in place of people."""
