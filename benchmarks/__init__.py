"""Benchmarks of practicezoo: one script per question, every answer a ratio measured side by side."""
