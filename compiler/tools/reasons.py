"""The reasons that are not rules, `SYS-001` … `SYS-014`: what each says, and its cure."""
from __future__ import annotations

from typing import Final

REASONS: Final = (
    ("SYS-001", "missing, or unusable as a whole", "A required fact is missing, or the document has a key that nobody knows.",
     "Supply the field that the path names, or mend the key; free keys lie under `tags` or begin with `x_`."),
    ("SYS-002", "stale", "A fact is older than its freshness bound. At the bound exactly it is fresh.",
     "Send a newer row, or declare with `input … fresh within` how old it may be."),
    ("SYS-003", "from the future", "A row is stamped more than 500 ms after `now`.",
     "Set the clocks right; stamp `now` when the document is finished."),
    ("SYS-004", "out of range", "A value lies outside its declared range: a price of 0, a quantity below 0; or there is nothing to close.",
     "Mend the value; a range of your own can only be narrower."),
    ("SYS-005", "not a decimal, or of another type", "A value is NaN, infinite, `1,000`, true where a number is wanted, longer than 400 digits, or no member of its list.",
     "Send decimals as texts of digits: `\"1000.5\"`."),
    ("SYS-006", "divisor zero or negative", "An expression divides by a number that is not above 0.",
     "Guard the rule with `when`, or declare the divisor's range above 0."),
    ("SYS-007", "incomplete history", "A window reaches further back than `history.complete_from`.",
     "Load the history from before the window, and say so in `complete_from`."),
    ("SYS-008", "switch unreadable", "The document has no `switches`, or a state is neither `armed` nor `tripped`. The switch is judged as tripped.",
     "Send `switches`; `{}` says that none is tripped."),
    ("SYS-009", "journal", "The engine could not write its journal. Nothing is approved that is not written down, but the closing leg where the policy says `journal failure: closing continues`.",
     "Make room, or mend the disk, and ask again: under the same id it is judged anew."),
    ("SYS-010", "not in effect", "`now` lies outside the policy's `effective` dates.",
     "Release a policy for today; what is held may go unless the header says `then deny all`."),
    ("SYS-011", "id used for something else", "An intent came to the engine again under its id with other content. `errors` names the fields that differ; the first answer stands.",
     "Give every intent an id of its own."),
    ("SYS-012", "snapped", "Rounding down to what can be traded took something away, or a close asked for more than can be closed.",
     "Ask for multiples of the lot, within the instrument's minimum and maximum."),
    ("SYS-013", "currency", "A money or a price is in another currency than the policy's, and there is no rate.",
     "Send the pair in `fx`, as `{\"EURUSD\": {\"rate\": \"1.08\"}}`; the inverse pair does as well."),
    ("SYS-014", "unreconciled", "The engine's books and the venue's differ, or the account says `reconciled` and it is not true. Only closing goes ahead.",
     "Find out why; reconcile with what the venue holds, adopt its side, or let an operator answer for it."),
)


def reason_page(name: str) -> str | None:
    """The page of the reason *name*, in any case; None if there is none."""
    row = next((row for row in REASONS if row[0] == name.strip().upper()), None)
    if row is None:
        return None
    number, what, meaning, cure = row
    return "\n\n".join([
        f"# {number}: {what}",
        meaning,
        f"## What to do\n\n{cure}",
        "## Where it stands\n\n"
        "Its severity is `critical`. One reason is given for each reading, and lists the rules that needed it; the field is named as a\n"
        "JSON pointer. It stands where `SYS` stands in `stages`; if that is not there, at the first rule that needed the reading.",
        "All of them: `docs/reference/reasons.md`.",
    ]) + "\n"
