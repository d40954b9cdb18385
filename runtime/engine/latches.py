"""Kill switches alive: judged on every event that changes what they read, latched, and armed again by people.

The first cause is kept. Whoever re-arms must find the trip gone, or rebased away: trips are judged again on what the
re-arming left behind, and one that still holds keeps the switch tripped.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import product, takewhile
from typing import Any, Final

from caplex.runtime import rearming
from caplex.runtime.bind import Bound
from caplex.runtime.canonical import plain
from caplex.runtime.clock import format_instant
from caplex.runtime.engine import live
from caplex.runtime.engine.live import Desk
from caplex.runtime.engine.state import FLOWING, Key, Latch, Order, Position, Scope, State
from caplex.runtime.plan import RearmPlan, RulePlan, TripPlan
from caplex.runtime.policy import Policy
from caplex.runtime.reading import Unreadable, number
from caplex.runtime.roles import Act, Refusal
from caplex.runtime.texts import human, plain_pair
from caplex.runtime.values import Unknown, both

ZERO: Final = Fraction(0)
DUE_NS: Final = 5 * 10**9
"""How soon an obligation is due."""
DIMENSIONS: Final = ("account", "strategy", "symbol", "venue")


class Latches:
    """The switches of one policy over one state. Everything that trips or arms is told in *tripped*, *rearmed*, *obligations*."""

    def __init__(self, policy: Policy, state: State, desk: Desk) -> None:
        self.policy, self.state, self.desk = policy, state, desk
        self.switches = desk.switches
        self.tripped: list[dict[str, Any]] = []
        self.rearmed: list[dict[str, Any]] = []
        self.obligations: list[dict[str, Any]] = []

    # ── whom a switch concerns ───────────────────────────────────────────────────────────────────────

    def claims(self, rule: RulePlan, account: str | None) -> Iterator[dict[str, str]]:
        """What an intent would have to say for each scope of *rule* that anything is known of; *account* None: of every account."""
        accounts = self.state.named_accounts or list(self.state.accounts) if account is None else [account]
        for name in accounts:
            values = [self._values(dimension, name) for dimension in rule.scope if dimension != "account"]
            names = [dimension for dimension in rule.scope if dimension != "account"]
            for each in product(*values):
                claims = dict(zip(names, each, strict=True))
                if rule.scope_is is not None and rule.scope_is not in (*claims.values(), name):
                    continue
                yield {**claims, **({"account": name} if name else {})}

    def _values(self, dimension: str, account: str) -> list[str]:
        state = self.state
        found: set[str] = set()
        if dimension == "strategy":
            found |= set(state.strategies)
            found |= {str(row.more["strategy"]) for rows in state.held.get(account, {}).values() for row in rows.values() if row.more.get("strategy")}
            found |= state.traders.get(account, set())
        elif dimension == "symbol":
            found |= {symbol for symbol, rows in state.held.get(account, {}).items() if rows} | {key[1] for key in state.market}
        elif dimension == "venue":
            found |= set(state.venues) | {key[1] for key in state.positions if key[0] == account and key[1]}
        found |= {value for latch in state.latches.values() for name, value in latch.scope if name == dimension}
        return sorted(found)

    def bound(self, claims: Mapping[str, str], now: int) -> Bound:
        """The policy's readings for nobody's intent: trips and re-arm conditions read neither intent nor `after.`."""
        return live.bind(self.policy, self.state, self.desk, {"action": "noop", **claims}, claims.get("account", ""), now, "")

    # ── trips ────────────────────────────────────────────────────────────────────────────────────────

    def judge(self, sections: set[str], account: str | None, now: int, event: str | None) -> None:
        """Every armed switch that reads one of *sections*, or time itself."""
        for rule in self.switches.values():
            if not (rule.trip_reads & sections or "now" in rule.trip_reads or self._confirms(rule)) or not any(t.condition for t in rule.trips):
                continue
            if rule.monitor == "always" or (rule.monitor is not None and now < rule.monitor):
                continue
            moved = bool(rule.trip_reads & sections)
            for claims in self.claims(rule, account):
                there = max(now, self.state.account(claims.get("account", "")).last_ns)  # each account has its own time
                bound = self.bound(claims, there)
                scope = bound.scope(rule) if not bound.document else None
                if isinstance(scope, tuple) and not self.state.latch(rule.id, scope).tripped:
                    self._judge_one(rule, scope, bound, there, event, moved=moved)

    @staticmethod
    def _confirms(rule: RulePlan) -> bool:
        return any(trip.confirm is not None for trip in rule.trips)

    def _judge_one(self, rule: RulePlan, scope: Scope, bound: Bound, now: int, event: str | None, *, moved: bool) -> None:
        latch = self.state.latch(rule.id, scope)
        for index, trip in enumerate(rule.trips):
            if trip.condition is None:
                continue
            holds = trip.condition(bound.slots, ZERO)
            if trip.confirm is not None:
                holds = both(holds, self._confirmed(latch, index, trip, bound, now, holds=holds is True, moved=moved))
            if holds is True:
                observed = trip.observed(bound.slots, ZERO) if trip.observed else None
                limit = trip.bound(bound.slots, ZERO) if trip.bound else None
                self.trip(rule, scope, now, event=event, cause=self._cause(rule, index, observed, limit))
                return

    def _confirmed(self, latch: Latch, index: int, trip: TripPlan, bound: Bound, now: int, *, holds: bool, moved: bool) -> bool:
        """Count this reading. Time that passes is no reading, but may be the time that was asked for."""
        assert trip.confirm is not None
        if not holds:
            latch.confirming.pop(index, None)
            return False
        readings, since = latch.confirming.get(index, (0, now))
        readings += moved
        latch.confirming[index] = (readings, since)
        wanted = trip.confirm(bound.slots, ZERO)
        if isinstance(wanted, Unknown):
            return True
        return bool(readings >= wanted if trip.confirm_readings else now - since >= wanted)

    def _cause(self, rule: RulePlan, index: int, observed: Any, limit: Any, **more: Any) -> dict[str, Any]:
        seen, bound = plain_pair(observed if isinstance(observed, Fraction) else None, limit if isinstance(limit, Fraction) else None, None)
        at = rule.trips[index].position
        place = {"source": dict(at)} if at is not None else {}
        return {"expression": rule.trips[index].text, "observed": seen.text if seen else None, "limit": bound.text if bound else None, **more, **place}

    def trip(self, rule: RulePlan, scope: Scope, now: int, *, cause: Mapping[str, Any], event: str | None = None, decision: str | None = None) -> None:
        """Latch it. A switch that is tripped keeps its first cause; an open request to arm it is over."""
        latch = self.state.latch(rule.id, scope)
        if latch.request is not None:
            latch.request = rearming.overtake(latch.request, now)
        latch.last_ns = now
        if latch.tripped:
            return
        latch.tripped, latch.since_ns, latch.cause = True, now, dict(cause)
        latch.by_event, latch.by_decision, latch.confirming = event, decision, {}
        self._rebase(rule, "trip", self.bound(dict(scope), now), dict(scope).get("account"))
        self.tripped.append({"switch": rule.id, "scope": dict(scope), "at": format_instant(now), "cause": dict(cause), "rearm": self._terms(rule, latch)})
        self._oblige(rule, scope, now, cause)

    def _terms(self, rule: RulePlan, latch: Latch) -> dict[str, Any]:
        clause = self.clause(rule, self.bound(dict(latch.scope), latch.since_ns or 0))
        if clause.never:
            return {"never": True}
        return {"role": clause.role or None, "quorum": clause.quorum, "not_before": format_instant((latch.since_ns or 0) + clause.delay_ns),
                "when": clause.condition_text or None}

    def _oblige(self, rule: RulePlan, scope: Scope, now: int, cause: Mapping[str, Any]) -> None:
        account = dict(scope).get("account")
        for do, channel in rule.duties:
            name = f"ob-{self.state.seq}-{len(self.obligations) + 1}"
            duty: dict[str, Any] = {"id": name, "do": do, "scope": dict(scope)}
            if do in ("cancel_open_orders", "cancel_all_orders"):
                duty["orders"] = [order.id for order in self.state.orders.values() if self._concerned(order, scope) and (
                    do == "cancel_all_orders" or self._opens(order))]
            elif do == "flatten":
                duty["positions"] = [
                    {"account": key[0], "venue": key[1], "symbol": key[2], "quantity": plain(row.quantity)}
                    for key, row in self.state.positions.items() if self._held_in(key, row, dict(scope))]
            elif do == "notify":
                whom = f" on {account}" if account else ""
                seen = f", {human_cause(cause)}" if cause.get("observed") else ""
                duty |= {"channel": channel, "severity": rule.severity, "text": f"{rule.id} tripped{whom}: {cause['expression']}{seen}",
                         "dedupe_key": "/".join([rule.id, *dict(scope).values(), str(self.state.seq)])}
            duty |= {"by": rule.id, "due": format_instant(now + DUE_NS)}
            self.obligations.append(duty)
            self.state.obligations[name] = duty

    def _concerned(self, order: Order, scope: Scope) -> bool:
        return order.status in FLOWING and order.status != "reserved" and all(
            getattr(order, dimension, value) in (value, None, "") for dimension, value in scope)

    @staticmethod
    def _held_in(key: Key, row: Position, scope: Mapping[str, str]) -> bool:
        says = {"account": key[0], "venue": key[1], "symbol": key[2], "strategy": row.more.get("strategy")}
        return all(says[dimension] in (value, None, "") for dimension, value in scope.items())

    def _opens(self, order: Order) -> bool:
        """Would it build, as things stand? An order on the side of what is held, or on a flat book."""
        held = self.state.positions.get((order.account, order.venue, order.symbol, order.position_side))
        quantity = held.quantity if held is not None else ZERO
        return quantity >= 0 if order.side == "buy" else quantity <= 0

    # ── arming again ─────────────────────────────────────────────────────────────────────────────────

    def clause(self, rule: RulePlan, bound: Bound) -> rearming.RearmClause:
        plan = rule.rearm or RearmPlan()
        if not plan.terms or bound.document:
            return rearming.RearmClause(never=not plan.terms)
        quorum = plan.quorum(bound.slots, ZERO) if plan.quorum else ZERO
        delay = plan.delay(bound.slots, ZERO) if plan.delay else ZERO
        # A setting that cannot be read must not make it easier: then nobody suffices.
        if isinstance(quorum, Unknown) or isinstance(delay, Unknown):
            return rearming.RearmClause(never=True)
        return rearming.RearmClause(role=plan.role, quorum=int(quorum), delay_ns=int(delay), condition_text=plan.condition_text)

    def status(self, rule: RulePlan, latch: Latch, now: int) -> rearming.RearmStatus:
        """How far the switch is from being armed again."""
        bound = self.bound(dict(latch.scope), now)
        condition: Any = True
        if rule.rearm is not None and rule.rearm.condition is not None:
            condition = rule.rearm.condition(bound.slots, ZERO) if not bound.document else False
        assert latch.since_ns is not None
        return rearming.status(latch.request, self.clause(rule, bound), tripped_ns=latch.since_ns, now_ns=now, condition=condition)

    def settle(self, account: str | None, now: int, event: str | None) -> None:
        """Arm what nothing keeps tripped any more. A switch that asks for nobody is armed by time and condition alone."""
        for latch in list(self.state.latches.values()):
            rule = self.switches.get(latch.switch)
            if rule is None or not latch.tripped or rule.rearm is None or not rule.rearm.terms:
                continue
            now_here = max(now, self.state.account(dict(latch.scope)["account"]).last_ns) if "account" in dict(latch.scope) else now
            if latch.since_ns == now_here and latch.request is None:
                continue  # it tripped just now
            if latch.request is None and rule.rearm.role:
                continue
            if account is not None and dict(latch.scope).get("account", account) != account:
                continue
            status = self.status(rule, latch, now_here)
            if status.ready:
                self._arm(rule, latch, status, now_here, event)

    def _arm(self, rule: RulePlan, latch: Latch, status: rearming.RearmStatus, now: int, event: str | None) -> None:
        if latch.request is not None:
            done = rearming.complete(status, now)
            assert not isinstance(done, Refusal), done
            latch.request = done
        bound = self.bound(dict(latch.scope), now)
        self._rebase(rule, "rearm", bound, dict(latch.scope).get("account"))
        people = [approval.by for approval in latch.request.approvals] if latch.request is not None else []
        latch.tripped, latch.since_ns, latch.cause, latch.by_event, latch.by_decision = False, now, None, event, None
        latch.confirming, latch.before = {}, self._at(now)
        self.rearmed.append({"switch": rule.id, "scope": dict(latch.scope), "at": format_instant(now), "by": people})
        self._judge_one(rule, latch.scope, self.bound(dict(latch.scope), now), now, event, moved=True)

    def _at(self, now: int) -> dict[str, dict[str, int]]:
        """How many denials and violations of each account are of *now* itself."""
        found: dict[str, dict[str, int]] = {}
        for account, each in self.state.histories.items():
            for section in ("denials", "violations"):
                count = sum(1 for _ in takewhile(lambda past: past.at_ns == now, reversed(each.get(section, ()))))
                if count:
                    found.setdefault(account, {})[section] = count
        return found

    def _rebase(self, rule: RulePlan, on: str, bound: Bound, account: str | None) -> None:
        """Set what the policy says anew. A value that cannot be read leaves it as it was, and the trip will be judged on that."""
        for rebase in rule.rebases:
            if rebase.on != on or bound.document:
                continue
            value = rebase.value(bound.slots, ZERO)
            names = [account] if account is not None else list(self.state.accounts)
            if isinstance(value, Fraction) and rebase.section == "account":
                for name in names:
                    held = self.state.account(name)
                    if rebase.field == "peak_equity":
                        held.peak = value
                    elif rebase.field == "day_start_equity":
                        held.day_start = value
                    else:
                        held.fields = {**held.fields, rebase.field: plain(value)}

    # ── people's acts ────────────────────────────────────────────────────────────────────────────────

    def find(self, target: Mapping[str, Any]) -> tuple[RulePlan, Latch] | Refusal:
        """The switch and the scope that an act names."""
        from difflib import get_close_matches

        name = target.get("switch")
        rule = self.switches.get(name) if isinstance(name, str) else None
        if rule is None:
            near = get_close_matches(str(name), self.switches, n=1)
            hint = f"did you mean `{near[0]}`?" if near else "the policy has " + (", ".join(self.switches) or "none")
            return Refusal("unknown_switch", f"no switch is called `{name}`; {hint}")
        said = target.get("scope") or {}
        if not isinstance(said, Mapping) or set(said) - set(rule.scope):
            return Refusal("unknown_scope", f"the scope of `{rule.id}` is told by {', '.join(rule.scope) or 'nothing'}")
        known = [latch for (switch, _), latch in self.state.latches.items() if switch == rule.id and all(
            dict(latch.scope).get(k) == v for k, v in said.items())]
        missing = [dimension for dimension in rule.scope if dimension not in said]
        if not missing:
            return rule, self.state.latch(rule.id, tuple((d, str(said[d])) for d in rule.scope))
        if len(known) == 1:
            return rule, known[0]
        if not known and rule.scope_is is not None and len(rule.scope) == 1:
            return rule, self.state.latch(rule.id, ((rule.scope[0], rule.scope_is),))
        only = self.state.only_account
        if not known and missing == ["account"] and only:
            scope = tuple((d, str(said.get(d, only))) for d in rule.scope if said.get(d, only))
            return rule, self.state.latch(rule.id, scope)
        return Refusal("ambiguous_scope", f"`{rule.id}` stands in {len(known)} scopes; say {', '.join(missing)} in `scope`")

    def ask(self, rule: RulePlan, latch: Latch, act: Act, event: Mapping[str, Any], expires_ns: int | None) -> Refusal | None:
        """A request to arm *rule* again."""
        clause = self.clause(rule, self.bound(dict(latch.scope), act.at_ns))
        found = rearming.open_request(
            act, clause, id=str(event.get("request_id") or event["id"]), switch=rule.id, scope=latch.scope,
            tripped_ns=latch.last_ns if latch.tripped else None, since_ns=latch.since_ns, current=latch.request, expires_ns=expires_ns,
            reason=str(event.get("reason") or ""), ticket=str(event.get("ticket") or ""))
        if isinstance(found, Refusal):
            return found
        latch.request = found
        return None

    def approve(self, request_id: str, act: Act) -> Refusal | None:
        for latch in self.state.latches.values():
            if latch.request is not None and latch.request.id == request_id:
                rule = self.switches[latch.switch]
                found = rearming.approve(latch.request, act, self.clause(rule, self.bound(dict(latch.scope), act.at_ns)))
                if isinstance(found, Refusal):
                    return found
                latch.request = found
                return None
        return Refusal("unknown_request", f"no request is called `{request_id}`")

    def withdraw(self, request_id: str, act: Act) -> Refusal | None:
        for latch in self.state.latches.values():
            if latch.request is not None and latch.request.id == request_id:
                found = rearming.withdraw(latch.request, act, self.clause(self.switches[latch.switch], self.bound(dict(latch.scope), act.at_ns)))
                if isinstance(found, Refusal):
                    return found
                latch.request = found
                return None
        return Refusal("unknown_request", f"no request is called `{request_id}`")

    # ── telling ──────────────────────────────────────────────────────────────────────────────────────

    def to_dict(self, now: int) -> list[dict[str, Any]]:
        """As ``caplex.switches/1`` lists them: every scope that has been looked at, and every switch."""
        told: list[dict[str, Any]] = []
        seen = {switch for switch, _ in self.state.latches}
        for name in [name for name in self.switches if name not in seen]:
            told.append({"id": name, "title": self.switches[name].title, "scope": {}, "state": "armed", "since": None})
        for latch in self.state.latches.values():
            rule = self.switches.get(latch.switch)
            row: dict[str, Any] = {
                "id": latch.switch, "title": rule.title if rule else "", "scope": dict(latch.scope), "state": "tripped" if latch.tripped else "armed",
                "since": format_instant(latch.since_ns) if latch.since_ns is not None else None, "by_decision": latch.by_decision,
                "by_event": latch.by_event, "cause": latch.cause, "request": None}
            if latch.tripped and rule is not None:
                row["request"] = self.status(rule, latch, now).to_dict()
            told.append(row)
        return sorted(told, key=lambda row: (row["id"], sorted(row["scope"].items())))


def human_cause(cause: Mapping[str, Any]) -> str:
    """``10.21%`` beside a percentage, the plain number otherwise."""
    try:
        value = number(cause["observed"])
    except Unreadable:
        return str(cause["observed"])
    return f"{human(value * 100)}%" if "%" in str(cause.get("expression")) else human(value)
