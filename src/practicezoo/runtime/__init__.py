"""What code runs on: device, precision, randomness, processes, files, and state put back after a trial."""
