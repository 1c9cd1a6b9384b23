"""A run's batch from beginning to end: job, journal, verification, reproduction."""
