"""Train, refine and measure a classifier: Lightning module, loop of rounds, checkpoints, reporters, plots."""
