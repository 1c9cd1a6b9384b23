"""Choosing texts to label: virtual outliers as targets, texts of a pool that match them, the batch."""
