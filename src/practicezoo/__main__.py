"""``python -m practicezoo``."""

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line; Ctrl-C while it is still being imported ends in one line too."""
    try:
        from practicezoo.cli import main as run

        return run()
    except KeyboardInterrupt:
        print("\npracticezoo: interrupted", file=sys.stderr)  # noqa: T201
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
