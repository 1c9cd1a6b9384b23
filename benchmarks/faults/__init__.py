"""Fault injection: killed processes, full disks, damaged files; counts of what was lost."""
