"""Making a batch from a run: job, journal, verification, reproduction."""
