"""What no table of the engine says: the meaning of events and their fields, of discrepancies, and of refused acts.

The pages `docs/reference/events.md` and `outcomes.md` are made from these texts and from the engine's own tables and code; a name
that stands in one of the two places only makes no page.
"""
from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final

TYPES: Final = {
    "intent": "A wish to act. It is submitted, and gets a decision; its fields are those of `intent` in the facts.",
    "tick": "Time has gone by; nothing else has happened.",
    "session": "A day of trading begins, or the session is in another phase.",
    "account": "Where an account stands, as the venue says; its fields are those of `account` in the facts, and merge with what is known.",
    "cash": "Money came (a positive amount) or went.",
    "instrument": "What can be traded of a symbol; its fields are those of `instrument` in the facts.",
    "position": "What the venue holds of a symbol.",
    "quote": "A price; its fields are those of `market` in the facts.",
    "input": "A row of what the policy declares with `input`.",
    "strategy": "What is known of a strategy.",
    "venue": "What is known of a venue.",
    "fx": "The rate of a pair of currencies.",
    "counters": "Counts that the host keeps, for `from counters.NAME`.",
    "order": "Where an order stands at the venue.",
    "fill": "A trade has happened, or an earlier report of one is corrected.",
    "replace": "The venue put another order in the place of one.",
    "cancel": "An order was cancelled.",
    "reject": "An order was refused.",
    "expire": "An order came to its end.",
    "stop": "A stop closed a position.",
    "result": "What became of an order, for windows of `results`.",
    "history": "What had happened before the engine began, and from when on that is all.",
    "obligation": "What became of an obligation.",
    "operator": "A person acts: trips, arms, approves, reconciles, takes back.",
    "policy": "A policy takes over: by the host with `engine.activate`, or by a line of `caplex run` that names its `path`. As any other event it is refused.",
    "decline": "A decision on hold is not wanted any more.",
    "reconcile": "What the venue holds at one instant, all of it, to be compared with the books.",
    "release": "What was approved will not be sent: its room is given back.",
}
FIELDS: Final = {
    "id": "Of the event, among those of its type. Fills and cash need one, so that a repeat is known.",
    "at": "When it became known here. The only clock.",
    "venue_at": "When it happened at the venue.",
    "tags": "Anything; nobody reads it.",
    "type": "Which of these it is.",
    "account": "Whom it concerns.",
    "act": "What is done.",
    "adopt": "True: take the venue's side over.",
    "amount": "Of money, with its sign.",
    "approved_by": "Who approved the policy.",
    "as_of": "When it was true, if not `at`.",
    "average_price": "Of the position, or of the fills so far.",
    "balance": "At the start of the day.",
    "because": "Why, in words.",
    "by": "Who did it.",
    "canceled_quantity": "What did not fill.",
    "cause": "Why: a deposit, a split, an assignment.",
    "client_order_id": "The order, by the id that was sent with it.",
    "code": "The venue's, for why.",
    "complete_from": "From when on no event is missing.",
    "corrects": "The id of the fill whose place this one takes; with the quantity 0 there was none.",
    "currency": "Of the amount.",
    "cursor": "Where the venue's stream stood.",
    "day": "Which day begins.",
    "entries": "How many entries the position has.",
    "equity": "At that moment.",
    "events": "A list of earlier events, each with `type` and `at`.",
    "expires_at": "An act counts no more from then on.",
    "fee": "Of this trade.",
    "fee_currency": "Of the fee.",
    "filled_quantity": "Filled so far, as the venue says of the order.",
    "group": "Orders that belong together.",
    "group_kind": "How they do.",
    "hash": "Of the policy.",
    "hold_id": "The decision on hold.",
    "intent_id": "The intent behind the order.",
    "key": "Which row, where the input is told by a key.",
    "last_entry_confidence": "Of the last entry.",
    "late": "The venue says that it comes late.",
    "leaves_quantity": "What may still fill.",
    "limit_price": "Of the order.",
    "liquidation_price": "Of the position.",
    "liquidity": "Maker or taker.",
    "message": "The venue's, for why.",
    "mode": "`snapshot` (what is held) or `adjust` (a split, an assignment).",
    "name": "Of the input.",
    "new_order_id": "The order that took the place.",
    "obligation_id": "Which one.",
    "oco": "Orders with the same text count once.",
    "opened_at": "When the position was opened.",
    "order_id": "The order, by the venue's id.",
    "order_type": "`market`, `limit`, …",
    "orders": "All orders in flight, each with `id` and `leaves_quantity`.",
    "pair": "`EURUSD`.",
    "path": "Of the policy's file, in a line of `caplex run`.",
    "phase": "Of the session.",
    "pnl": "What it earned or lost.",
    "position_side": "In hedge mode: long or short.",
    "positions": "All positions, each with `symbol` and `quantity`.",
    "price": "Of one unit.",
    "quantity": "In units; of a position with its sign.",
    "rate": "One of the first currency in the second.",
    "ratio": "Of a split.",
    "reached_exchange": "Did the order get there?",
    "reason": "Why, in words.",
    "reduce_only": "The order only closes.",
    "regime": "Of the position.",
    "request_id": "Of the request to arm a switch; else the id of the event.",
    "result": "What became of it.",
    "retryable": "May it be sent again?",
    "role": "What the person claims to be; the roles file counts.",
    "sector": "Of the symbol.",
    "settings_hash": "Of the settings.",
    "side": "`buy` or `sell`.",
    "signature": "`ed25519:…`, made with `caplex sign`.",
    "stage": "Where on its way the order was refused.",
    "state": "What becomes of the state.",
    "status": "Where it stands.",
    "strategy": "Whose it is.",
    "subject": "Who the host has authenticated.",
    "symbol": "Of what.",
    "target": "An object: `switch` and `scope`, `request_id`, `hold_id` or `intent_id`, or `account`.",
    "ticket": "Where it is written down.",
    "values": "The fields, as an object.",
    "venue": "Where.",
    "version": "Of the policy.",
}
STATUSES: Final = {
    "applied": "It was taken.",
    "late": "It was taken, and counts at the time of the last event before it (CAP-STATE-2).",
    "repeat": "It came before, and was not taken again (CAP-STATE-3).",
    "rejected": "An act that counts for nothing; `rejected` says why (CAP-ACT-3).",
}
PROBLEMS: Final = {
    "id_reused": "An id came before with other content; the first one counts.",
    "unknown_account": "It names no account, and there are several.",
    "older_quote": "A newer quote is known; that one stays.",
    "position": "The venue holds something else than the books.",
    "older_snapshot": "A newer snapshot of the position is known; that one stays.",
    "in_snapshot": "A fill is in a position that the venue has told already; it does not move it again.",
    "presumed_fill": "What an order said to have filled was counted; its fill counts once.",
    "orders_unscaled": "After a split, orders stand at their old sizes until the venue says otherwise.",
    "order": "An order is not at the venue, not here, or of another size.",
    "unknown_order": "Nobody here approved that order; it counts.",
    "earlier_name": "The venue speaks of an order by a name that another one has replaced.",
    "order_after_end": "An order that had ended is alive again; the venue's word counts.",
    "larger_than_approved": "More was sent than was approved.",
    "overfill": "More was filled than was ordered.",
    "late_fill": "A fill of an order that had ended.",
    "corrected_fill": "A fill was corrected.",
    "unknown_fill": "A correction of a fill that is not known; it counts in its place.",
    "unknown_intent": "Nothing is reserved for that intent.",
    "already_sent": "What was sent is not given back by `release`.",
    "obligation": "No such obligation is pending.",
    "history": "No history has that name; the event was left out.",
}
REFUSALS: Final = {
    "act_expired": "The act came after its `expires_at`.",
    "act_used": "The act has let a policy take over already.",
    "already_approved": "The same person has approved already.",
    "ambiguous_scope": "The switch stands in several scopes; name one.",
    "bad_signature": "The signature does not hold.",
    "before_hold": "The act was done before the hold was set.",
    "before_request": "The act was done before the request was made.",
    "does_not_compile": "The policy that should take over does not compile.",
    "hold_denied": "Somebody who might have approved has denied.",
    "hold_expired": "The hold has ended.",
    "hold_forgotten": "The hold was let go, and nothing waits under it any more.",
    "hold_withdrawn": "The hold was taken back.",
    "hold_used": "The hold has let its intent through already.",
    "id_reused": "The id of the act came before with other content.",
    "in_the_way": "Something of the state would be lost if the policy took over.",
    "key_expired": "The roles file does not know the person any more.",
    "lacks_role": "The person does not hold the role.",
    "malformed": "The act says no name or time, or says something twice.",
    "no_approval_needed": "Nobody needs to approve.",
    "no_owner": "The policy in force names no owner, and nobody else replaces it.",
    "no_request": "Nobody has asked for the switch to be armed.",
    "no_act": "Nobody has let this policy go on with the journal of another one.",
    "no_roles_file": "Without a roles file nobody may act.",
    "no_signature": "The act is not signed, and the host has authenticated nobody.",
    "not_ready": "Something is missing still.",
    "not_released": "Approvals are missing still.",
    "not_tripped": "The switch is armed.",
    "other_content": "The approval is for another intent, or under another policy.",
    "other_subject": "The act says another name than the host has authenticated.",
    "overtaken_by_trip": "A switch tripped since.",
    "rearm_never": "The policy says `rearm never`.",
    "request_done": "The request has armed the switch already.",
    "request_expired": "The request has ended.",
    "request_id_used": "The id of the request was there already.",
    "request_open": "Another request for the same is open.",
    "request_withdrawn": "The request was taken back.",
    "unknown_account": "No such account.",
    "unknown_act": "No such act.",
    "unknown_hold": "Nothing waits under that name.",
    "unknown_person": "The roles file does not name the person.",
    "unknown_request": "No such request.",
    "unknown_scope": "The switch has no such scope.",
    "unknown_switch": "The policy has no such switch.",
}
PARTS: Final = {
    "schema": "`caplex.outcome/1`.",
    "seq": "The number of the event among those that were taken.",
    "event": "Its `type` and `id`.",
    "at": "Its time.",
    "status": "See below.",
    "tripped": "Switches that tripped: `switch`, `scope`, `at`, `cause`, `rearm`.",
    "rearmed": "Switches that were armed, and by whom; left out if there are none.",
    "obligations": "What a trip demands: `id`, `do`, `scope`, and what it is about. Pending until an `obligation` event says `done`.",
    "reservations": "What became of reservations: `id`, `intent_id`, `state`, `quantity` that may still fill.",
    "discrepancies": "What does not fit what the engine knew: `problem` and `message`.",
    "warnings": "What is odd and changed nothing.",
    "released": "Decisions on intents whose hold an act has lifted; left out if there are none.",
    "rejected": "Of an act that counts for nothing: `code` and `message`.",
    "by": "Of an act: who did it.",
    "how": "Of an act: why it is believed: `signature`, `subject` or `trusted`.",
}


def event_page(name: str) -> str | None:
    """The page of the event *name*; None if there is none."""
    from caplex.runtime.engine.events import OPTIONAL, REQUIRED

    kind = name.strip().lower()
    if kind not in REQUIRED:
        return None
    optional = OPTIONAL[kind]
    rows = [f"- `{each}`: {FIELDS[each]}" for each in (*REQUIRED[kind], *(optional or ()))]
    return "\n\n".join([
        f"# The event `{kind}`", TYPES[kind],
        "Required: " + (", ".join(f"`{each}`" for each in ("at", *REQUIRED[kind]))) + ".",
        "\n".join(rows) if rows else "It has no fields of its own.",
        *(["Its other fields are those of its section in the facts."] if optional is None else []),
        "All events: `docs/reference/events.md`.",
    ]) + "\n"


# ── what the code says ────────────────────────────────────────────────────────────────────────────────


def said(name: str) -> set[str]:
    """The texts that the runtime gives as first argument to *name*: the codes of `Refusal`, the problems of `flag`."""
    return {first.value for call in _calls() if _called(call) == name and call.args
            and isinstance(first := call.args[0], ast.Constant) and isinstance(first.value, str)}


def statuses() -> set[str]:
    """The texts that `status` may have in an outcome."""
    found: set[str] = set()
    for tree in _trees("engine/machine.py"):
        for node in ast.walk(tree):
            value = node.value if isinstance(node, ast.keyword) and node.arg == "status" else None
            if isinstance(node, ast.Assign) and any(isinstance(each, ast.Name) and each.id == "status" for each in node.targets):
                value = node.value
            found |= _ends(value)
    return found


def _ends(value: Any) -> set[str]:
    """The texts that an expression may come to."""
    match value:
        case ast.Constant(value=str() as text):
            return {text}
        case ast.IfExp():
            return _ends(value.body) | _ends(value.orelse)
    return set()


def _called(call: ast.Call) -> str | None:
    return call.func.id if isinstance(call.func, ast.Name) else call.func.attr if isinstance(call.func, ast.Attribute) else None


def _calls() -> Iterator[ast.Call]:
    return (node for tree in _trees("") for node in ast.walk(tree) if isinstance(node, ast.Call))


def _trees(ending: str) -> Iterator[ast.Module]:
    home = files("caplex.runtime")
    for folder in (home, home / "engine"):
        for each in sorted(folder.iterdir(), key=lambda path: path.name):
            if each.name.endswith(".py") and f"{folder.name}/{each.name}".endswith(ending):
                yield ast.parse(each.read_text(encoding="utf-8"))
