"""A document as a page that stands alone. Everything in it that comes from a policy is escaped."""
from __future__ import annotations

import re
from typing import Any, Final

from caplex.compiler.tools.diagram.svg import machine, style
from caplex.compiler.tools.document import people
from caplex.compiler.tools.document.outline import sections, tally
from caplex.compiler.tools.document.prose import blocks

_LINKS: Final = re.compile(r"(?<=[._/])(?=[^._/])")
"""Where a long name may go on in the next line."""
_SEVERE: Final = {"critical": "bad", "high": "bad", "medium": "warn", "low": "soft"}


def page(data: dict[str, Any]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=PackageLoader("caplex.compiler.tools.document"), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    environment.filters["blocks"] = blocks
    environment.filters["anchor"] = anchor
    environment.filters["breaks"] = lambda name: Markup("<wbr>").join(_LINKS.split(name))
    drawn = [Markup(machine(switch, f"machine-{number}")) for number, switch in enumerate(map(people.machine, data["switches"]), 1)]
    numbered = sections(data)
    return environment.get_template("document.html.j2").render(
        doc=data, drawings=drawn, machine_style=Markup(style(".machine")), sections=numbered, tally=tally(data),
        number={each.key: each.number for each in numbered}, tone=_SEVERE, by_id={rule["id"]: rule for rule in data["rules"]})


def anchor(name: str) -> str:
    """*name* as the end of an address: letters, digits, dots and hyphens."""
    return re.sub(r"[^A-Za-z0-9.-]", lambda found: f"_{ord(found.group()):x}", name)
