"""Outlier exposure: auxiliary outlier texts, written or given, filtered and batched."""
