"""`caplex explain POLICY --facts FILE`: one decision told in full, and what a change of the facts would do to it."""
from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from caplex.compiler.cli import output
from caplex.compiler.cli.options import Outside
from caplex.compiler.cli.output import Status, Stop

if TYPE_CHECKING:
    from caplex.runtime.explain import Explanation
    from caplex.runtime.whatif import WhatIf

DECISION = "caplex.decision/1"


def tell_decision(subject: str, facts_file: str, changes: tuple[str, ...], outside: Outside, format: str, target: str | None = None) -> int:
    """Decide on the document in *facts_file* under the policy *subject* and tell all of it; the exit status."""
    import caplex
    from caplex.compiler.cli.documents import read_object

    wanted = dict(map(_change, changes))
    policy = caplex.load(subject, settings=outside.settings(), mode=outside.mode)
    document = read_object(facts_file)
    refuse_decision(document, facts_file)
    told: Explanation | WhatIf
    if wanted:
        told = _what_if(policy, document, wanted)
    else:
        told = policy.decide(document).explain()
    _give(told, format, target)
    return Status.WORKED


def refuse_decision(document: Mapping[str, Any], name: str) -> None:
    """A decision where facts are wanted is a slip that deserves its own sentence. Raises Stop."""
    if document.get("schema") != DECISION:
        return
    made_by = document.get("policy")
    policy = f" of {made_by.get('name')} {made_by.get('version')}" if isinstance(made_by, Mapping) and made_by.get("name") else ""
    raise Stop(Status.USAGE, _line(f"`{name}` is a decision{policy}, not facts: give the facts document that it was decided on"))


def _line(text: str) -> str:
    from caplex.runtime.report.cells import visible

    return visible(text)


def _give(told: Explanation | WhatIf, format: str, target: str | None) -> None:
    """To stdout, or whole into the file *target*."""
    if target is None and format == "json":
        output.say_json(told.to_dict())
    elif target is None:
        output.say(_told(told, format, width=output.width(sys.stdout), colour=output.has_colour(sys.stdout)).rstrip("\n"))
    elif format == "json":
        import json

        output.write(target, json.dumps(told.to_dict(), indent=2, ensure_ascii=False) + "\n")
    else:
        output.write(target, _told(told, format, width=100, colour=False))


def _told(told: Explanation | WhatIf, format: str, *, width: int, colour: bool) -> str:
    match format:
        case "md":
            return told.markdown()
        case "html":
            return told.html()
    return told.text(width=width, colour=colour)


# ── what if ───────────────────────────────────────────────────────────────────────────────────────────


def _what_if(policy: Any, document: dict[str, Any], changes: Mapping[str, Any]) -> WhatIf:
    from caplex.runtime.paths import BadPath

    try:
        found: WhatIf = policy.what_if(document, changes)
    except BadPath as error:
        raise Stop(Status.USAGE, _line(f"--what-if: {error}")) from None
    return found


def _change(change: str) -> tuple[str, Any]:
    """One change: ``account.equity=90000``, ``market["BRK.B"].price=400``, ``intent.reduce_only=true``."""
    path, equals, text = change.partition("=")
    if not equals or not path.strip():
        raise click.UsageError(f"`--what-if {change}` is no PATH=VALUE")
    return path.strip(), _value(text.strip())


def _value(text: str) -> Any:
    if text in {"true", "false", "null"} or text[:1] in {"{", "[", '"'}:
        from caplex.compiler.cli.documents import parse_object
        from caplex.compiler.source import Source

        return parse_object(Source("--what-if", f'{{"value": {text}}}'))["value"]
    return text
