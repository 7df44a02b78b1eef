"""The course's systems, one file for each kind of data."""
