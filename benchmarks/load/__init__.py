"""Large ledgers, pages, training sets and sweeps, and a long run: `python -m benchmarks.load`."""
