"""Spellings of other languages and keyboards, and the sentence that helps with each.

A `Trap` is tried where no token fits; the first that matches speaks. `{0}` is what it matched, `{1}` the same
without its last character, `{n}` its named number.
"""
from __future__ import annotations

import re
from dataclasses import dataclass

from caplex.compiler.diagnostics import codes_syntax as codes
from caplex.compiler.diagnostics.diagnostic import Code

# Traps look this far ahead, so that none of them can cost more than linear time.
REACH = 400


@dataclass(frozen=True, slots=True)
class Trap:
    pattern: re.Pattern[str]
    code: Code
    message: str
    cure: str = ""


def _trap(pattern: str, code: Code, message: str, cure: str = "") -> Trap:
    return Trap(re.compile(pattern, re.A), code, message, cure)


_N = r"(?P<n>\d[\d_]*(?:\.\d+)?)"

TRAPS: tuple[Trap, ...] = (
    _trap(_N + r"m(?!\w)", codes.BAD_DURATION, "`{0}` could be minutes or millions", "write `{n}min`, or the number in full"),
    _trap(_N + r"bps(?!\w)", codes.BAD_NUMBER, "`{0}` is not a number of basis points", "write `{n}bp`"),
    _trap(_N + r"[kKMB](?!\w)", codes.BAD_NUMBER, "`{0}` is not a number", "write it in full, as in `5_000`"),
    _trap(_N + r"[eE][+-]?\d+", codes.BAD_NUMBER, "`{0}` is not a number: numbers have no exponent",
          "write it in full, as in `100_000`"),
    _trap(r"\d+\.\d+(?:ms|s|min|h|d|w)(?!\w)", codes.BAD_DURATION, "`{0}` is not a duration: its parts are whole",
          "write it with smaller units, as in `1h30min`"),
    _trap(r"(?:\d+(?:ms|min|s|h|d|w))*\d+(?:sec|secs|mins|hr|hrs|hours|days|us|ns)(?!\w)", codes.BAD_DURATION,
          "`{0}` is not a duration", "the units are `ms`, `s`, `min`, `h`, `d` and `w`"),
    _trap(_N + r"(?P<c>[A-Z]{2,})(?!\w)", codes.BAD_MONEY, "`{0}` has no space before its currency", "write `{n} {c}`"),
    _trap(_N + r"(?i:(?P<c>usdt?|eur|gbp|jpy|chf))(?!\w)", codes.BAD_MONEY, "`{0}` is not an amount of money",
          "write a space and the currency in capitals, as in `{n} USD`"),
    _trap(r"\$\d{1,3}(?:,\d{3})+", codes.BAD_MONEY, "`{0}` parts its thousands with a comma", "part them with `_`, as in `$5_000`"),
    _trap(r"\$\s*-?[\w.,]*", codes.BAD_MONEY, "`{0}` is not an amount of money", "write it as `$5_000` or `5_000 USD`"),
    _trap(_N + r"%[\w%]+", codes.BAD_PERCENT, "`{0}` is not a percentage: it ends at its `%`",
          "write `{n}%`"),
    _trap(r"\d+\.(?!\d|\.)", codes.BAD_NUMBER, "`{0}` ends with a point", "write `{1}`, or put digits behind the point"),
    _trap(r"\d[\d_]*__\d*|\d+_(?!\d)", codes.BAD_NUMBER, "`{0}` is not a number",
          "a `_` stands between two digits, as in `5_000`"),
    _trap(r"0\d+(?![\d:])", codes.BAD_NUMBER, "`{0}` begins with a zero", "write the number without it"),
    _trap(r"\d+(?:\.\d+){2,}", codes.BAD_NUMBER, "`{0}` is not a number", "a number has at most one point"),
    _trap(r"\d[\w.]*", codes.BAD_NUMBER, "`{0}` is not a number, amount, percentage or duration",
          "units stand directly behind a number, currencies behind a space: `5min`, `20%`, `5_000 USD`"),
    _trap(r"\.(?P<n>\d[\d_]*)", codes.BAD_NUMBER, "`{0}` has no digit before its point", "write `0.{n}`"),
    _trap(r"%", codes.BAD_PERCENT, "the `%` stands apart from its number", "write it directly behind the number, as in `20%`"),
    _trap(r"&&?", codes.FOREIGN_OPERATOR, "`{0}` is not an operator here", "write `and`"),
    _trap(r"\|\|", codes.FOREIGN_OPERATOR, "`{0}` is not an operator here", "write `or`"),
    _trap(r"!(?!=)", codes.FOREIGN_OPERATOR, "`!` is not an operator here", "write `not`"),
    _trap("['\u2018\u2019\u201c\u201d\u00ab\u00bb`]", codes.STRAY_CHARACTER, "`{0}` does not open a text",
          'texts stand in straight double quotes: "…"'),
    _trap("[\u2010-\u2015\u2212]", codes.STRAY_CHARACTER, "`{0}` looks like a minus and is not one", "write `-`"),
    _trap("[\u2264\u2265\u2260]", codes.FOREIGN_OPERATOR, "`{0}` is not an operator here", "write `<=`, `>=` or `!=`"),
    _trap("[\u00a0\u2000-\u200d\u202f\u2060\u3000]", codes.STRAY_CHARACTER,
          "a character that looks like a space (or like nothing) and is not one", "replace it by a plain space"),
    _trap("[\u20ac\u00a3\u00a5]", codes.BAD_MONEY, "`{0}` does not name a currency", "write it behind the number, as in `5_000 EUR`"),
    _trap(r";", codes.STRAY_CHARACTER, "`;` means nothing here", "sentences end by themselves; delete it"),
    _trap(r"//|/\*", codes.STRAY_CHARACTER, "`{0}` does not open a comment", "comments begin with `#`"),
    _trap(r'"[^"\n{]*\{[^}\n"]*(?:"|\n|$)', codes.BAD_HOLE, "a `{{` opens an expression in this text, and its `}}` is missing",
          "close it, or write `\\{{` for a plain brace"),
    _trap(r'"(?:[^"\n\\]|\\.)*\\?(?:\n|$)', codes.UNCLOSED_TEXT, "this text is not closed on its line", 'put the closing `"`'),
    _trap(r"\\", codes.STRAY_CHARACTER, "`\\` means nothing outside a text"),
    Trap(re.compile(r"[^\W\d]\w*"), codes.STRAY_CHARACTER, "`{0}` is not a name",
         "names are written with the letters a to z, digits and `_`"),
)


_DAY = re.compile(r"[0-9]{4}-[0-9]{1,2}(?:-[0-9]{1,2}(?:[Tt ][0-9:.]+(?:[+-][0-9:]+|[Zz])?)?)?(?!\w)")


def find(text: str, at: int) -> tuple[Code, str, str | None, int, int] | None:
    """Code, message, cure, start and end of the first trap that matches *text* at *at*."""
    window = text[at : at + REACH]
    before = text[max(0, at - 8) : at]
    if re.match(r"[0-9]{3}(?![0-9])", window) and re.search(r"[0-9],$", before):
        return codes.BAD_MONEY, "thousands are not parted by commas", "part them with `_`, as in `5_000`", at, at + 3
    if (began := re.search(r"(?<!\w)[0-9]{4}-(?:[0-9]{1,2}-)?$", before)) and (day := _DAY.match(text, at - len(began[0]))):
        return (codes.IMPOSSIBLE_TIME, f"`{day[0]}` is not a date or an instant",
                "a date is written `2026-01-05`, an instant in UTC `2026-01-05T15:00:00Z`", day.start(), day.end())
    for trap in TRAPS:
        if match := trap.pattern.match(window):
            shown = match[0] if len(match[0]) <= 40 else match[0][:40] + "…"
            names = {key: value or "" for key, value in match.groupdict().items()}
            message, cure = (sentence.format(shown, shown[:-1], **names) for sentence in (trap.message, trap.cure))
            return trap.code, message, cure or None, at, at + max(1, len(match[0].rstrip()))
    return None
