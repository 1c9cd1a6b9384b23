"""What shapes a text classifier's decision boundary: samplers, losses, auxiliary outlier texts, on four tasks."""
