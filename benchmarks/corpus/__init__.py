"""Measures of the embedded corpora and other text sets: label leakage, accuracy of simple models, diversity."""
