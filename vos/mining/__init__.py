"""Which texts to label: virtual outliers as targets, texts of a pool that answer them, the batch."""
