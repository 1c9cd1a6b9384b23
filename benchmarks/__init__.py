"""Benchmarks of this package: `python -m benchmarks.FOLDER[.NAME] [--quick]`, from the root of the repository.

The main benchmark of a folder is its `__main__`. Each prints a table, and one JSON object as its last line.
"""
