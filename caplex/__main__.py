"""``python -m caplex`` and the command ``caplex``."""
from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; exit status as `docs/reference/commands.md` lists them."""
    from caplex.compiler.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
