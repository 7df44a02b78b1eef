"""What the commands of ``python -m practicezoo`` do."""
