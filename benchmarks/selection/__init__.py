"""Which texts to label: rounds with a declared oracle."""
