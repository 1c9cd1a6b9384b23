"""What affects a classifier's margin: saliency, flips, units, graphs, directions, differences; arrays in and out."""
