"""A document as Markdown, for a repository. What comes from a policy is escaped: nothing of it becomes a heading, a link or a tag."""
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from caplex.compiler.tools.document.outline import Section, origin, sections, tally, terms
from caplex.compiler.tools.document.prose import blocks

# A bar ends a cell; `://`, `www.` and `@` become links, `#12` too where issues are; a lone `_` inside a word marks nothing.
_MARKS = re.compile(r"[\\`*\[\]<>#|~&$@]|:(?=//)|(?<=www)\.|(?<![^\W_])_|_(?![^\W_])")
_START = re.compile(r"^(\d+)([.)])(?=\s|$)|^([-+=])")


def page(data: dict[str, Any]) -> str:
    return "\n\n".join(part for part in _parts(data) if part) + "\n"


def text(value: str) -> str:
    """*value* as words of a paragraph or a cell."""
    plain = _MARKS.sub(lambda found: "\\" + found.group(), " ".join(value.split()))
    return _START.sub(lambda found: f"{found[1]}\\{found[2]}" if found[1] else "\\" + found[3], plain)


def code(value: str) -> str:
    """*value* between backticks, however many stand in it; a bar would end a cell."""
    value = " ".join(value.split())
    if not value:
        return ""
    if "|" in value:
        return text(value)
    ticks = "`" * (max((len(run) for run in re.findall(r"`+", value)), default=0) + 1)
    pad = " " if value.startswith("`") or value.endswith("`") else ""
    return f"{ticks}{pad}{value}{pad}{ticks}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    return "\n".join([f"| {' | '.join(head)} |", "|" + " --- |" * len(head), *(f"| {' | '.join(cell or '–' for cell in row)} |" for row in rows)])


def _prose(value: str) -> str:
    said = []
    for block in blocks(value):
        if block.kind == "code":
            fence = "`" * max(3, *(len(run) + 1 for line in block.lines for piece in line for run in re.findall(r"`+", piece.text) or [""]))
            said.append("\n".join([fence, *("".join(piece.text for piece in line) for line in block.lines), fence]))
        else:
            lines = ["".join(code(piece.text) if piece.code else _spaced(piece.text) for piece in line) for line in block.lines]
            said.append("\n".join(f"- {line}" for line in lines) if block.kind == "list" else lines[0])
    return "\n\n".join(said)


def _spaced(value: str) -> str:
    """As `text`, and the blanks at its ends stay: code stands beside it."""
    return " " * value.startswith(" ") + text(value) + " " * (value.endswith(" ") and bool(value.strip()))


def _parts(data: dict[str, Any]) -> Iterator[str]:
    policy = data["policy"]
    yield f"# {text(policy['name'])} {text(policy['version'])}".rstrip()
    yield _prose(policy["about"])
    yield "\n".join([f"- {'Module' if policy['module'] else 'Policy'}: {code(policy['hash'])}", f"- Settings: {code(policy['settings_hash'])}",
                     f"- File: {code(policy['file'])}", *([f"- As of: {policy['as_of']}"] if policy["as_of"] else []),
                     "- " + ", ".join(f"{many} {word}" for word, many in tally(data))])
    numbered = sections(data)
    yield "\n".join(f"{each.number}. {each.title}" for each in numbered)
    for section in numbered:
        yield from _section(section, data)


def _section(section: Section, data: dict[str, Any]) -> Iterator[str]:
    yield f"## {section.number}. {section.title}"
    match section.key:
        case "governs":
            yield _table(["Subject", "What the policy says"], [(row["what"], text(row["says"])) for row in data["header"]])
            yield _table(["Called", "Module", "Rules"], [(code(row["alias"]), text(row["pack"]), str(row["rules"])) for row in data["modules"]])
        case "rules":
            yield from _rules(data)
        case "limits":
            yield _table(["Rule", "What is measured", "Bound in force", "Unit", "Beyond it", "Applies to", "Where the value comes from"], [
                (_named(row), text(row["measure"]) + _terms(row), text(f"{row['relation']} {row['bound']}") + _bounds(row), text(row["unit"].replace("/", " per ")), row["on_breach"],
                 text(row["applies"]), _origins(row)) for row in data["limits"]])
        case "rates":
            yield _table(["Rule", "At most", "In", "Counted for each", "Kept for closing", "Applies to", "Where the values come from"], [
                (_named(row), text(f"{row['at_most']} {row['events']}" + (f" where {row['where']}" if row["where"] else "")) + _bounds(row), text(row["window"]),
                 text(", ".join(row["each"])), text(row["reserve"]), text(row["applies"]), _origins(row)) for row in data["throttles"]])
            yield _table(["Rule", "Pause", "After the last", "Counted for each", "Applies to", "Where the value comes from"], [
                (_named(row), text(row["pause"]) + _bounds(row), text(row["after"] + (f" where {row['where']}" if row["where"] else "")), text(", ".join(row["each"])),
                 text(row["applies"]), _origins(row)) for row in data["cooldowns"]])
        case "switches":
            yield "Any operator whom the roles file knows may trip any switch."
            yield _table(["Switch", "For", "Trips when", "While tripped", "Then", "Armed again"], [
                (f"{code(row['id'])} {text(row['title'])}", text(row["scope"]), text("; or when ".join(row["trips"]) or "by hand only") + _terms(row),
                 "nothing opens" if row["denies"] == "opening" else "everything is denied", text(", ".join(row["on_trip"])), text(_rearm(row["rearm"])))
                for row in data["switches"]])
        case "people":
            yield from _people(data)
        case "sizes":
            yield from _sizes(data)
        case "told":
            yield _table(["Answer", "When"], [(code(row["label"]), text(row["when"])) for row in data["answers"]])
            yield _table(["Report", "When", "Text"], [(code(row["tag"]), text(row["when"]), text(row["text"])) for row in data["emits"]])
        case "settings":
            yield _table(["Setting", "Value", "Within", "Safer", "May be moved", "From", "Read by"], [
                (code(row["name"]) + (f" {text(row['title'])}" if row["title"] else ""), text(row["value"]),
                 text(f"{row['low'] or '…'} to {row['high'] or '…'}") if row["low"] or row["high"] else "", row["safer"], row["moves"],
                 text(f"{row['how']}, {row['where']}" if row["where"] else row["how"]), ", ".join(map(code, row["read_by"]))) for row in data["settings"]])
        case "facts":
            yield _table(["Place", "What it is", "Type", "Asked of it", "Read by"], [
                (code(row["pointer"]) + ("" if row["required"] else " optional"), text(row["means"]), text(row["type"]),
                 text("; ".join(part for part in (row["range"], f"no older than {row['fresh']}" if row["fresh"] else "") if part)),
                 ", ".join(map(code, row["read_by"])) or "every decision") for row in data["facts"]])
            yield "; ".join(f"{row['events']}: {row['reach']}" for row in data["histories"])
            yield _table(["Figure", "What it is"], [(code(row["fact"]), text(row["means"])) for row in data["computed"]])
        case "tests":
            for group in data["tests"]:
                yield f"### {text(group['pack'] or group['file'])}"
                yield "\n".join([*(f"- {text(title)}" for title in group["tests"]), *(f"- always: {text(title)}" for title in group["properties"])])
            if not data["tests"]:
                yield "None."
        case "coverage":
            yield from _coverage(data["coverage"])
        case "approval":
            yield _table(["Name", "Role", "Date", "Signature"], [("  ", "  ", "  ", "  ")] * 3)


def _rules(data: dict[str, Any]) -> Iterator[str]:
    known = {rule["id"]: rule for rule in data["rules"]}
    for number, stage in enumerate(data["stages"], 1):
        yield f"### {number}: {text(stage['name'])}" + (", closing orders pass by" if stage["closing_skips"] else "")
        for name in stage["rules"]:
            rule = known[name]
            yield f"#### {code(name)} {text(rule['title'] or rule['kind'])}"
            yield "\n".join(f"- {text(line)}" for line in rule["does"]) if rule["kind"] == "kill switch" else text(" ".join(rule["does"])) + _terms(rule)
            yield _prose(rule["about"])
            yield f"> {text(rule['because'])}" if rule["because"] else ""
            notes = [rule["kind"], f"severity {rule['severity']}", f"applies to {text(rule['applies'])}"]
            notes += [f"serves {text(rule['cites'])}"] if rule["cites"] else []
            notes += [f"monitored{' through ' + rule['monitored'] if rule['monitored'] else ''}"] if rule["monitored"] is not None else []
            notes += [f"waiver {code(each)}" for each in rule["waivers"]]
            notes += [f"a denial may be approved by {text(rule['overridable_by'])}"] if rule["overridable_by"] else []
            yield "; ".join([*notes, text(rule["pack"] or "this policy"), code(rule["source"])])
            yield "" if rule["kind"] == "kill switch" else code(" ".join(rule["written"]))


def _people(data: dict[str, Any]) -> Iterator[str]:
    if not data["overrides"] and not data["waivers"] and not data["approvals"]:
        yield "Nobody: there is no override, no waiver, and no rule that a person may approve."
    yield _table(["Setting", "For", "Value", "Instead of", "Terms", "Written"], [
        (", reaches ".join(map(code, row["settings"])), text(row["for"]), text(f"{row['value']} ({row['kind']}{_ended(row)})"), text(row["instead_of"]),
         text(", ".join(terms(row)) or "no end"), code(row["source"] or row["from_outside"])) for row in data["overrides"]])
    yield _table(["Waiver", "Lifts", "Where", "Terms", "Written"], [
        (f"{code(row['id'])} {text(row['title'])}", code(row["of"]), text(row["when"]), text(", ".join(terms(row)) + _ended(row)), code(row["source"]))
        for row in data["waivers"]])
    yield _table(["Rule", "What", "By", "Within"], [
        (f"{code(row['rule'])} {text(row['title'])}", row["what"], text(f"{row['quorum']} of {row['role']}"), text(row["within"])) for row in data["approvals"]])


def _sizes(data: dict[str, Any]) -> Iterator[str]:
    for size in data["sizes"]:
        yield f"### {code(size['id'])} {text(size['title'])}"
        yield text(f"For {size['applies']}: {'; '.join(size['steps'])}.") + _terms(size)
        yield _prose(size["about"])
        yield f"> {text(size['because'])}" if size["because"] else ""
    for plan in data["allocations"]:
        yield f"### {code(plan['name'])} across {text(plan['across'])}"
        yield _prose(plan["about"])
        yield _table(["Part", "What it is", "As written"], [(text(row["what"]), text(row["says"]), code(row["written"])) for row in plan["clauses"]])
        yield _terms(plan).strip()


def _coverage(coverage: dict[str, Any]) -> Iterator[str]:
    yield f"{coverage['citing']} of {coverage['rules']} rules name the document that they serve."
    yield _table(["Document", "Place", "Served by"], [
        (text(found["document"]), text(place["place"] or "as a whole"),
         ", ".join(code(each["rule"]) + (f" ({text(each['about'])})" if each["about"] else "") + ("" if each["enforced"] else " monitored") for each in place["served_by"]))
        for found in coverage["documents"] for place in found["places"]])
    if coverage["without"]:
        yield "Rules that cite nothing: " + ", ".join(map(code, coverage["without"])) + "."


def _named(row: dict[str, Any]) -> str:
    watched = "" if row["monitored"] is None else " monitored" + (f" through {row['monitored']}" if row["monitored"] else "")
    return f"{code(row['rule'])} {text(row['title'])}{watched}" + "".join(f", waiver {code(each)}" for each in row["waivers"])


def _terms(row: dict[str, Any]) -> str:
    return "".join(f" {text(term['name'])} is {text(term['means'])}." for term in row["terms"])


def _bounds(row: dict[str, Any]) -> str:
    return "".join("; " + text(", ".join([f"{each['bound']} for {each['for']} ({each['kind']}", *terms(each)]) + ")") for each in row["overrides"])


def _origins(row: dict[str, Any]) -> str:
    return "; ".join(text(origin(each)) for each in row["from"])


def _ended(row: dict[str, Any]) -> str:
    return "" if row["ended"] is None else ", ended" if row["ended"] else ", in force"


def _rearm(told: dict[str, Any]) -> str:
    if told["never"]:
        return "never"
    parts = [f"by {told['quorum']} of {told['role']}" if told["role"] else "", f"no sooner than {told['delay']} after the trip" if told["delay"] else "",
             f"once {told['when']}" if told["when"] else ""]
    return ", and ".join(part for part in parts if part)
