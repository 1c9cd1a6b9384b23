"""Seconds, memory and ratios of the costly parts, each compared with the naive implementation."""
