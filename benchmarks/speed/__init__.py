"""Seconds, memory and ratios of the costly parts, each against the literal way to do the same."""
