"""What shapes a text classifier's boundary: samplers, losses, and texts of no class, on four tasks."""
