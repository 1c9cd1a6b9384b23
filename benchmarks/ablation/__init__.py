"""What shapes a text classifier's boundary: samplers, losses, and auxiliary outlier texts, on four tasks."""
