"""An explanation for an issue or a chat, as Markdown: headline, sentence, a table of the rules that spoke, details folded."""
from __future__ import annotations

import re
from collections.abc import Sequence

from caplex.runtime.report.view import Line, View

_SPECIAL = re.compile(r"[\\`*\[\]<|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_BEGINS = re.compile(r"^\s*([-+=#>]|\d+[.)])(?=\s|$)")
_LINKS = re.compile(r"(?<=:)(?=//)|(?<=@)(?=\w)|(?<=#)(?=\d)")
"""Where addresses, people and issues would be linked to."""


def render(view: View) -> str:
    """Ends with a line end."""
    blocks = [f"**{view.verdict}**  {safe(view.headline)}" + (f" — {safe(view.answer)}" if view.answer else "")]
    first = next((line for line in view.lines if line.decided), None)
    if first is not None:
        blocks.append(f"> **{safe(first.id)}** {safe(first.title)}".rstrip() + f": {safe(first.message or first.numbers or first.remark)}")
        blocks += _cited(first)
    if view.spoke:
        blocks.append(_table(view.spoke))
        notes = [f"- {safe(line.id)}: {safe(text)}" for line in view.spoke for text in _notes(line)]
        if notes:
            blocks.append("\n".join(notes))
    if view.missing:
        blocks += ["The facts have none of these, which this policy reads:", "\n".join(f"- {safe(text)}" for text in view.missing)]
    blocks += _offers(view)
    for title, entries in (("Emitted", view.emitted), ("Obligations", view.duties)):
        if entries:
            blocks.append(f"{title}: " + "; ".join(map(safe, entries)))
    blocks += _kept(view)
    if not view.whole:
        blocks.append("Read back from its document: only what that holds can be told, not every rule.")
    name = f"{safe(view.policy)}" + (f" (sha256 {safe(view.digest)}…)" if view.digest else "")
    blocks.append(f"<sub>{name}</sub>")
    return "\n\n".join(blocks) + "\n"


def safe(text: str) -> str:
    """*text* with everything that Markdown, or a page that it is pasted into, would read as its own taken as it stands."""
    text = _SPECIAL.sub(lambda found: "\\" + found.group(), _LINKS.sub("\u200b", text.replace("&", "&amp;")))
    return "\\" + text if _BEGINS.match(text) else text


def _table(lines: Sequence[Line]) -> str:
    rows = ["| | rule | saw | allows | place |", "|---|---|---|---|---|"]
    for line in lines:
        allows = "; ".join(part for part in (line.allows, line.permits, f"needs {line.approval}" if line.approval and line.sees else "") if part)
        name = f"**{safe(line.id)}** {safe(line.title)}" if line.decided else f"{safe(line.id)} {safe(line.title)}"
        rows.append(f"| {line.mark} {line.word} | {name.rstrip()} | {safe(line.saw)} | {safe(allows)} | {safe(line.place)} |")
    return "\n".join(rows)


def _notes(line: Line) -> list[str]:
    found = [] if line.decided or not line.message else [line.message]
    found += [line.remark] if line.sees and line.remark else []
    found += [f"limit: {line.origin}"] if line.origin else []
    return [*found, *line.more, *(f"waiver {text}" for text in line.waivers)]


def _cited(line: Line) -> list[str]:
    citation = line.cited
    if citation is None:
        return []
    text = "\n".join([*citation.text, *["…"] * (citation.more > 0)])
    fence = "```"
    while fence in text:
        fence += "`"
    return [f"`{citation.file.replace('`', '')}:{citation.line}`", f"{fence}cap\n{text}\n{fence}"]


def _offers(view: View) -> list[str]:
    found = []
    if view.offers:
        found += ["To be allowed:" if len(view.offers) == 1 else "To be allowed, one of:", "\n".join(f"- {safe(offer)}" for offer in view.offers)]
    if view.unmet:
        found += ["In the way:", "\n".join(f"- {safe(text)}" for text in view.unmet)]
    return found


def _kept(view: View) -> list[str]:
    if not view.kept and not view.quiet:
        return []
    rows = ["| | rule | saw | allows | used | place |", "|---|---|---|---|---|---|"] if view.kept else []
    for line in view.kept:
        used = f"{line.used}%" if line.used else ""
        rows.append(f"| {line.mark} {line.word} | {safe(line.id)} {safe(line.title)} | {safe(line.saw)} | {safe(line.allows)} "
                    f"| {used} | {safe(line.place)} |")
    quiet = [f"{words}: {', '.join(map(safe, names))}" for words, names in view.quiet]
    count = sum(line.state == "kept" for line in view.kept)
    title = f"{count} rule{'s' if count != 1 else ''} kept" if view.kept else "Other rules"
    body = "\n\n".join(part for part in ("\n".join(rows), *quiet) if part)
    return [f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"]
