"""A decision as a document: ``caplex.decision/1``, made from a ruling when somebody asks for more than the verdict."""
from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Protocol

from caplex.runtime.canonical import decimal_places, plain, sha256, to_decimal
from caplex.runtime.clock import format_instant
from caplex.runtime.facts import Facts
from caplex.runtime.messages import data_code, default_message
from caplex.runtime.reading import Unreadable, number, read, shown
from caplex.runtime.ruling import Effect, LimitSource, Reason, Ruling, Shown, Trip, Verdict
from caplex.runtime.schema import FieldSpec, Kind, Type
from caplex.runtime.texts import plain_pair, plain_value, unit_name
from caplex.runtime.values import ABSENT, Leaf
from caplex.version import __version__

if TYPE_CHECKING:
    from caplex.runtime.tracing import Spoken

_INSTANT = FieldSpec("", "at", Type(Kind.INSTANT), optional=True)
_ORDER_PRICES = ("limit_price", "stop_price")
_ORDER_FLAGS = ("reduce_only", "post_only")


class Teller(Protocol):
    """What a policy offers so that its decisions can be told. `Policy` is one."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def language(self) -> int: ...
    @property
    def mode(self) -> str: ...
    @property
    def currency(self) -> str: ...
    @property
    def hash(self) -> str: ...
    @property
    def settings_hash(self) -> str: ...

    def judge(self, bound: Any) -> tuple[Ruling, Any]:
        """The whole answer, and the case behind it."""

    def rule_at(self, position: int) -> str:
        """Id of the rule at *position* in the order of decision."""

    def message(self, bound: Any, ruling: Ruling, reason: Reason) -> str | None:
        """The rule's `because`, filled in; None if it has none."""

    def reason_of(self, rule: str, effect: Effect, observed: Shown, limit: Shown) -> Reason:
        """What the rule would give as a reason if it took something away."""

    def sized(self, rule: str) -> bool:
        """Whether the rule measures what the order would lead to."""

    def place(self, rule: str) -> Mapping[str, Any] | None:
        """``{"file", "line", "column", …}`` of a rule; None for what stands in no file."""

    def spoken(self, bound: Any, ruling: Ruling, case: Any) -> Mapping[str, Spoken]:
        """Of each rule that is a reason: what it read, and where its bound came from."""


def tell(policy: Teller, facts: Facts, bound: Any, ruling: Ruling, case: Any) -> dict[str, Any]:
    """The decision as JSON values alone: texts, truth, null, lists, objects; numbers are plain decimal texts."""
    intent = raw_intent(facts)
    facts_hash = None if ruling.document else facts.hash
    sized = ruling.requested
    told: dict[str, Any] = {
        "schema": "caplex.decision/1", "decision_id": decision_id(policy, facts_hash, ruling), "seq": None, "intent_id": _text(intent, "id"),
        "at": _instant(facts.document, "now"), "valid_until": _instant(intent, "expires_at"), "repeat_of": None,
        "account": _text(intent, "account"), "venue": _text(intent, "venue"), "strategy": _text(intent, "strategy"),
        "symbol": _text(intent, "symbol"), "side": ruling.side, "action": ruling.action,
        "closing": plain(ruling.closing), "opening": None if sized is None else plain(max(sized - ruling.closing, Fraction(0))),
        "verdict": ruling.verdict.value, "requested": None if sized is None else quantity(sized), "quantity": quantity(ruling.quantity),
        "code": ruling.code, "outcome": ruling.outcome or ruling.verdict.value, "decided_by": ruling.decided_by,
        "order": order(intent, ruling), "reservation": None,
    }
    if ruling.if_approved is not None:
        told["if_approved"] = quantity(ruling.if_approved)
        told["hold"] = _hold(ruling)
    spoken = policy.spoken(bound, ruling, case) if ruling.reasons else {}
    told["reasons"] = [_reason(policy, bound, ruling, reason, spoken.get(reason.rule), intent) for reason in ruling.reasons]
    told["warnings"] = [{"code": None, "rule": w.rule, **_beside(policy, bound, ruling, policy.reason_of(w.rule, "deny", w.observed, w.limit)), "path": None}
                        for w in ruling.warnings]
    told["monitored"] = [{"rule": m.rule, "effect": m.effect, **_beside(policy, bound, ruling, policy.reason_of(m.rule, m.effect, m.observed, m.limit))}
                         for m in ruling.monitored]
    told["violated"] = list(ruling.violated)
    told["emitted"] = list(ruling.emitted)
    told["shadows"] = []
    told["obligations"] = [{"do": o.do, "by": o.by, "channel": o.channel} for o in ruling.obligations]
    told["tripped"] = [_trip(trip) for trip in ruling.tripped]
    told["errors"] = errors(ruling)
    told["policy"] = {"name": policy.name, "version": policy.version, "language": policy.language, "mode": policy.mode,
                      "hash": policy.hash, "settings_hash": policy.settings_hash}
    told["facts_hash"] = facts_hash
    told["engine"] = f"caplex {__version__}"
    return told


def decision_id(policy: Teller, facts_hash: str | None, ruling: Ruling) -> str:
    """Follows from content alone: the policy, its settings and mode, the facts."""
    problems = [[leaf.sys, leaf.path, leaf.problem, leaf.observed] for leaf in ruling.document]
    return "d-" + sha256([policy.hash, policy.settings_hash, policy.mode, facts_hash, problems]).removeprefix("sha256:")[:16]


def quantity(value: Fraction) -> str:
    """A quantity that may not be a decimal (a ticket in money buys a third) is rounded down."""
    return plain(value if decimal_places(value) is not None else Fraction(to_decimal(value)))


# ── what came with the intent ─────────────────────────────────────────────────────────────────────────


def raw_intent(facts: Facts) -> Mapping[str, Any]:
    document = facts.document
    intent = document.get("intent") if isinstance(document, Mapping) else None
    return intent if isinstance(intent, Mapping) else {}


def _text(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    return shown(value) if isinstance(value, str) else None


def instant_ns(data: Any, name: str) -> int | None:
    value = read(_INSTANT, data.get(name), "") if isinstance(data, Mapping) else ABSENT
    return int(value) if isinstance(value, Fraction) else None


def _instant(data: Any, name: str) -> str | None:
    ns = instant_ns(data, name)
    return None if ns is None else format_instant(ns)


def order(intent: Mapping[str, Any], ruling: Ruling) -> dict[str, Any] | None:
    """What to send, with the permitted quantity; None where nothing is permitted or a price cannot be read."""
    if ruling.verdict not in (Verdict.ALLOW, Verdict.MODIFY):
        return None
    sent: dict[str, Any] = {"client_order_id": _text(intent, "id")}
    if ruling.action in ("cancel", "noop", "transfer"):
        sent["action"] = ruling.action
        names = ("asset", "payee", "mandate") if ruling.action == "transfer" else ("replaces",)
        sent.update({name: _text(intent, name) for name in names if intent.get(name) is not None})
        if ruling.action == "transfer":
            sent["amount"] = quantity(ruling.quantity)
        return sent
    sent.update(symbol=_text(intent, "symbol"), side=ruling.side, quantity=quantity(ruling.quantity))
    try:
        _details(intent, sent)
        legs = intent.get("legs")
        if isinstance(legs, list | tuple):
            sent["legs"] = [_leg(leg, ruling) for leg in legs if isinstance(leg, Mapping)]
    except Unreadable:
        return None
    return sent


def _details(given: Mapping[str, Any], sent: dict[str, Any]) -> None:
    """Copies what the venue needs to know. Raises Unreadable for a price that is none."""
    for name in ("order_type", *_ORDER_PRICES, "time_in_force", *_ORDER_FLAGS, "position_side", "replaces"):
        value = given.get(name)
        if value is None:
            continue
        if name in _ORDER_PRICES:
            sent[name] = plain(number(value))
        elif name in _ORDER_FLAGS:
            if not isinstance(value, bool):
                raise Unreadable("SYS-005", "wrong-type", "true or false")
            if value:
                sent[name] = True
        else:
            sent[name] = shown(value)


def _leg(leg: Mapping[str, Any], ruling: Ruling) -> dict[str, Any]:
    """A protective leg in proportion, rounded down to the grid: together they never close more than was opened."""
    sent: dict[str, Any] = {"id": _text(leg, "id"), "side": _text(leg, "side")}
    if leg.get("quantity") is not None:
        assert ruling.requested is not None
        share = number(leg["quantity"]) * ruling.quantity / ruling.requested
        lot = ruling.lot or Fraction(1, 10**8)
        sent["quantity"] = plain(share if share % lot == 0 else share // lot * lot)
    _details(leg, sent)
    return sent


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────────


def _hold(ruling: Ruling) -> dict[str, Any]:
    needs = [{"act": "approve", "rule": reason.rule, "role": reason.approval.role, "quorum": reason.approval.quorum, "have": []}
             for reason in ruling.reasons if reason.approval is not None and reason.rule in ruling.holds]
    return {"id": None, "needs": needs, "expires_at": None, "on_expiry": "DENY", "on_release": "decide_again"}


def _numbers(observed: Any, limit: Any, unit: Any = None) -> dict[str, Any]:
    """Both printed; *exact* holds what rounding took away."""
    seen, bound = plain_pair(observed, limit, unit)
    said: dict[str, Any] = {"observed": seen.text if seen else None, "limit": bound.text if bound else None}
    exact = {name: part.exact for name, part in (("observed", seen), ("limit", bound)) if part is not None and part.exact}
    return {**said, "exact": exact} if exact else said


def _beside(policy: Teller, bound: Any, ruling: Ruling, reason: Reason) -> dict[str, Any]:
    """A rule that spoke and took nothing away: what it saw, in words and numbers."""
    message = policy.message(bound, ruling, reason) or default_message(reason, ruling, policy.currency, sized=policy.sized(reason.rule))
    return {"title": reason.title, "severity": reason.severity, "message": message, **_numbers(reason.observed, reason.limit, reason.unit)}


def _reason(policy: Teller, bound: Any, ruling: Ruling, reason: Reason, trace: Spoken | None, intent: Mapping[str, Any]) -> dict[str, Any]:
    message = policy.message(bound, ruling, reason) or default_message(reason, ruling, policy.currency, sized=policy.sized(reason.rule))
    told: dict[str, Any] = {
        "rule": reason.rule, "title": reason.title, "kind": reason.kind, "stage": reason.stage, "code": reason.code, "outcome": reason.outcome,
        "severity": reason.severity, "effect": reason.effect, "message": message,
        "subject": {name: _text(intent, name) for name in ("account", "symbol") if intent.get(name) is not None},
        **_numbers(reason.observed, reason.limit, reason.unit), "comparison": reason.comparison,
        "unit": unit_name(reason.unit, policy.currency), "permitted": quantity(reason.permitted), "at": reason.at,
        "terms": _terms(trace), "limit_source": _limit_source(trace.limit_source, policy.currency) if trace and trace.limit_source else None,
        "source": dict(place) if (place := policy.place(reason.rule)) is not None else None,
    }
    if reason.needed_by:
        told["needed_by"] = list(reason.needed_by)
    if reason.leaves:
        told["paths"] = [leaf.path for leaf in reason.leaves]
    if reason.approval is not None:
        told["approval"] = {"role": reason.approval.role, "quorum": reason.approval.quorum}
    return told


def _terms(trace: Spoken | None) -> dict[str, str | None]:
    if trace is None:
        return {}
    return {name: printed.text if (printed := plain_value(value)) is not None else None for name, value in trace.reads}


def _limit_source(source: LimitSource, currency: str) -> dict[str, Any]:
    file, _, line = (source.source or "").rpartition(":")
    place: dict[str, Any] | None = {"file": file, "line": int(line)} if file and line.isdigit() else None
    if place is not None and source.column:
        place["column"] = source.column
    value = plain_value(source.value, source.unit)
    return {
        "setting": source.setting, "value": value.text if value else None, "unit": unit_name(source.unit, currency), "text": source.text,
        "override": {"kind": source.override or "default", "key": source.key, "through": source.through, "approved_by": source.approved_by,
                     "ticket": source.ticket},
        "from": source.origin, "source": place,
    }


def _trip(trip: Trip) -> dict[str, Any]:
    return {"switch": trip.switch, "scope": dict(trip.scope), "cause": {"kind": trip.cause, "clause": trip.clause, **_numbers(trip.observed, trip.limit)}}


def errors(ruling: Ruling) -> list[dict[str, Any]]:
    """What is wrong with the data, by place: code, path, problem, what was there, what was needed, by whom."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for leaf in ruling.document:
        _error(leaf, (), found)
    for reason in ruling.reasons:
        for leaf in reason.leaves:
            _error(leaf, reason.needed_by, found)
    return list(found.values())


def _error(leaf: Leaf, needed_by: tuple[str, ...], found: dict[tuple[str, str, str], dict[str, Any]]) -> None:
    code = data_code(leaf)
    if code is None:
        return
    there = found.setdefault((leaf.sys, leaf.path, leaf.problem), {"code": code, "sys": leaf.sys, "path": leaf.path, "problem": leaf.problem.replace("-", "_")})
    if leaf.problem == "unknown-key":
        if leaf.limit:
            there["did_you_mean"] = leaf.limit
    else:
        if leaf.observed:
            there["observed"] = leaf.observed
        if leaf.limit:
            there["limit"] = leaf.limit
    if needed_by:
        there["needed_by"] = list(dict.fromkeys((*there.get("needed_by", ()), *needed_by)))
