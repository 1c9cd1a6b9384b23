"""Measurements of this package: `python -m benchmarks.FOLDER[.NAME] [--quick]`, from the root of the repository.

A folder's main benchmark stands in its `__main__`. Each prints a table, and one JSON object as its last line.
"""
