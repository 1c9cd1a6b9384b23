"""Between two rounds of labels: sending a batch, merging answers, the stop rule."""
