"""The parts of :func:`practicezoo.check`: what looks at a program, and what leaves it as it was."""
