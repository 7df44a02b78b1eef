"""Probes: functions that look for one kind of mistake each, and know nothing of each other."""
