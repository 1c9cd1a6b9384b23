"""The steps between two labelling rounds: sending a batch, merging answers, the stop rule."""
