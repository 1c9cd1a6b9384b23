"""Which texts to label: labelling rounds with stored labels in place of annotators (an oracle)."""
