"""`caplex explain --journal`: a decision told in full from the record, as it was told when it was made."""
from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from caplex.compiler.cli import output
from caplex.compiler.cli.auditing import _told as journal_troubles
from caplex.compiler.cli.output import Status, Stop

if TYPE_CHECKING:
    from caplex.runtime.explain import Explanation
    from caplex.runtime.journal import Record


def explain_recorded(journal: str, id: str, format: str) -> int:
    """Print the explanation of the decision, or of the last decision on the intent, with the id *id*."""
    from caplex.runtime.journal import find

    with journal_troubles():
        record = find(journal, id)
        if record is None:
            raise Stop(Status.USAGE, f"`{journal}` holds no decision and no intent `{id}`; `caplex audit query {journal}` lists what it holds")
        explanation = _again(journal, record)
    if format == "json":
        output.say_json(explanation.to_dict())
    else:
        output.say(explanation.text(width=output.width(sys.stdout), colour=output.has_colour(sys.stdout)).rstrip("\n"))
    return Status.WORKED


def _again(journal: str, record: Record) -> Explanation:
    """Decide it again on the state of then, so that every rule can be told; where that is not possible, tell what stands in the record."""
    from caplex.compiler.recorded import compile_recorded
    from caplex.runtime.decision import Decision
    from caplex.runtime.errors import PolicyError
    from caplex.runtime.replay import answer_again

    try:
        decision, asked = answer_again(journal, record, load=compile_recorded)
    except PolicyError as error:
        output.tell(f"told from the record alone, without the rules that had nothing to say: {error}")
        decision = asked = None
    if decision is None:
        return Decision.from_dict(record.body).explain()
    told = decision.to_dict()
    if {**told, "shadows": None, "engine": None} != {**record.body, "shadows": None, "engine": None}:
        output.tell("decided again, this intent gets another answer than the one in the journal; `caplex replay` shows where they differ. The record says:")
        return Decision.from_dict(record.body).explain()
    explanation = decision.explain()
    if asked is not None:  # the engine's own decision rests on a state that has moved on since
        explanation._find = asked._remedies
    return explanation
