"""Malformed files against naive reference readers: `python -m benchmarks.fuzz`."""
