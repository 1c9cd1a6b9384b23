"""Faults on purpose: killed processes, full disks, damaged files; counts of what was lost."""
