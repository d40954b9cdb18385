"""`caplex lsp`: the language server that editors start."""
from __future__ import annotations

import click

from caplex.compiler.cli.output import Status, Stop


@click.command("lsp")
@click.option("--tcp", "port", type=click.IntRange(1, 65535), metavar="PORT", help="Wait for an editor on this port of this machine, to debug it.")
def lsp_command(port: int | None) -> int:
    """Serve an editor, on standard input and output: findings as you type, completion, hover, definitions, renaming.

    Editors start it themselves; typed by hand it waits for an editor to talk, and ends when its input does.

    \b
    caplex lsp
    caplex lsp --tcp 2087

    Needs an extra: pip install 'caplex[lsp]'.

    Exit status: 0 the editor ended it; 2 the extra is missing.

    More: docs/howto/set-up-your-editor.md.
    """
    try:
        import lsprotocol  # noqa: F401 - asked for before it is needed, so that a missing extra is one sentence
        import pygls  # noqa: F401
    except ImportError:
        raise Stop(Status.USAGE, "the language server wants an extra that is not installed: pip install 'caplex[lsp]'") from None
    from caplex.compiler.lsp.server import serve

    serve(port)
    return Status.WORKED
