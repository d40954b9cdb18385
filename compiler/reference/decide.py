"""From all rules to one ruling: what is asked, what is permitted, and how it is told (docs/spec.md, CAP-ASK, CAP-IDEA, CAP-TELL)."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from caplex.compiler.reference.book import TRADES
from caplex.compiler.reference.rules import ONE, ZERO, Judge, Standing, clauses, denies, shown, warns
from caplex.compiler.semantics.model import CheckedModule, RuleInfo, SizeInfo
from caplex.compiler.syntax import ast
from caplex.runtime import texts
from caplex.runtime.facts import Row, World
from caplex.runtime.ruling import (
    Approval,
    Effect,
    Monitored,
    Obligation,
    Reason,
    RuleKind,
    Ruling,
    Trip,
    Verdict,
    Warned,
)
from caplex.runtime.switches import after_arming
from caplex.runtime.values import ABSENT, UNLIMITED, Leaf, Unknown, floor_to, merge, unknown

SEVERITIES = ("low", "medium", "high", "critical")
KINDS: dict[type[ast.Node], RuleKind] = {
    ast.Rule: "rule", ast.Limit: "limit", ast.Throttle: "throttle", ast.Cooldown: "cooldown", ast.KillSwitch: "switch"}
Key = tuple[int, int, str, str]
"""Where a reason stands: position, rank there, SYS id, path."""


def rule_on(checked: CheckedModule, world: World) -> Ruling:
    """What *checked* says to the intent in *world*. Never raises on bad facts: it denies, and says which."""
    if world.document_problems or isinstance(world.now, Unknown):
        problems = tuple(dict.fromkeys(world.document_problems)) or tuple(sorted(world.now.leaves))
        return _refused(problems, document=problems)
    return Decision(checked, world).ruling()


def _refused(leaves: tuple[Leaf, ...], **more: Any) -> Ruling:
    """Nothing could be judged."""
    told = Told()
    for place, leaf in enumerate(leaves):
        told.need((place, 0), [leaf], ZERO)
    reasons = told.reasons()
    return Ruling(Verdict.DENY, None, ZERO, ZERO, more.pop("side", None), more.pop("action", None), reasons, outcome="DENY",
                  decided_by=reasons[0].rule, **more)


@dataclass(slots=True)
class Told:
    """Reasons with their places; unusable readings are gathered, one reason for each SYS id and path."""

    front: int | None = None
    """Where SYS stands in `stages`, as a position among the rules; None: at the rule that needed the reading."""
    placed: list[tuple[Key, Reason]] = field(default_factory=list)
    needs: dict[tuple[str, str], list[tuple[tuple[int, int], Leaf, Fraction, str | None, RuleInfo | None]]] = field(default_factory=dict)

    def say(self, position: int, rank: int, reason: Reason, sys: str = "") -> None:
        self.placed.append(((position, rank, sys, ""), reason))

    def need(self, place: tuple[int, int], leaves: Iterable[Leaf], cap: Fraction, by: str | None = None, info: RuleInfo | None = None) -> None:
        for leaf in leaves:
            self.needs.setdefault((leaf.sys, leaf.path), []).append((place, leaf, cap, by, info))

    def reasons(self) -> tuple[Reason, ...]:
        for (sys, path), needs in self.needs.items():
            place, _, _, by, info = min(needs, key=lambda need: need[0])
            if self.front is not None and by is not None:
                place, info = (self.front, -1), None
            attributes = info.node.attributes if info else None
            self.placed.append(((*place, sys, path), Reason(
                sys, "system", "SYS", "snap" if sys == "SYS-012" else "deny", severity="critical", permitted=min(cap for _, _, cap, _, _ in needs),
                code=attributes.code.text if attributes and attributes.code else None,
                outcome=attributes.outcome.text if attributes and attributes.outcome else None,
                leaves=tuple(sorted({leaf for _, leaf, _, _, _ in needs})),
                needed_by=tuple(dict.fromkeys(by for _, _, _, by, _ in sorted(needs, key=lambda need: need[0]) if by is not None)))))
        return tuple(reason for _, reason in sorted(self.placed, key=lambda pair: pair[0]))


class Decision(Judge):
    """One intent under one policy, from what it asks to what it gets."""

    def __init__(self, checked: CheckedModule, world: World) -> None:
        super().__init__(checked, world)
        self.rules: list[Standing] = []
        self.sizes: list[tuple[SizeInfo, Standing]] = []
        self.outside: Fraction | None = None
        self.unreconciled: Fraction | None = None
        self.overclose: Fraction | None = None
        self.floored: SizeInfo | None = None
        self.x = self.permitted = ZERO

    def ruling(self) -> Ruling:
        n = self._asked()
        action, side = self.book.action, shown(self.book.side)
        if isinstance(n, Unknown):
            return _refused(tuple(sorted(n.leaves)), action=shown(action), side=side)
        self.n, self.c = n, min(n, self.book.c)
        self._limit_request()
        self._judge_rules()
        self._permit()
        return self._tell(side)

    # ── what is asked ────────────────────────────────────────────────────────────────────────────────

    def _asked(self) -> Any:
        """``n``: the units that the intent asks for."""
        book, action = self.book, self.book.action
        if isinstance(action, Unknown) or action in ("cancel", "noop"):
            return action if isinstance(action, Unknown) else ONE
        if action == "adjust":
            return book.delta if isinstance(book.delta, Unknown) else abs(book.delta)
        name = "amount" if action == "transfer" else "quantity"
        n = book.asks(name)
        if action == "close" and not isinstance(book.closable, Unknown) and book.closable == 0:
            return unknown("SYS-004", "/intent", "nothing-to-close")
        if n is ABSENT and action == "close":
            return book.closable
        if n is ABSENT and action == "open" and self.checked.sizes:
            n = self._ticket()
        if n is ABSENT:
            return self.world.cell("intent", None, name)
        return book.sign if action in TRADES and isinstance(book.sign, Unknown) and not isinstance(n, Unknown) else n

    def _ticket(self) -> Any:
        """The smallest of what the sizes buy, on the grid."""
        units = [self._units(size) for size in self.checked.sizes]
        lost = merge(*units)
        n = lost if lost is not None else self.lot if isinstance(self.lot, Unknown) else floor_to(min(units), self.lot)
        return n if isinstance(n, Unknown) or n > 0 else unknown("SYS-012", "/intent/quantity", "below-one-lot")

    def _units(self, size: SizeInfo) -> Any:
        """What the money of a size buys: ``money · leverage / V``, never negative."""
        money, floor, leverage = self._money(size)
        lost = merge(money, floor, leverage, self.book.V)
        return max(ZERO, money) * leverage / self.book.V if lost is None else lost

    def _money(self, size: SizeInfo) -> tuple[Any, Any, Any]:
        """Money of a ticket, the least that it may come to, and the leverage it is multiplied by."""
        money, floor, leverage = None, ZERO, ONE
        for step in size.node.steps:
            value = self.reader.value(step.leverage if isinstance(step, ast.SizeInMargin) else step.value, ZERO)
            match step:
                case ast.SizeStart():
                    money = value
                case ast.SizeTimes():
                    money = money * value
                case ast.SizeAtMost() if value is not UNLIMITED:
                    lost = merge(money, value)
                    money = min(money, value) if lost is None else lost
                case ast.SizeAtLeast():
                    floor = value
                case ast.SizeInMargin():
                    leverage = value
        return money, floor, leverage

    def _limit_request(self) -> None:
        """Caps that do not come from rules: the policy is not in effect, a close beyond the position, tickets."""
        book, policy, n, c, now = self.book, self.policy, self.n, self.c, self.world.now
        early = policy.effective_from_ns is not None and now < policy.effective_from_ns
        late = policy.effective_until_ns is not None and now >= policy.effective_until_ns
        if (early or late) and book.action not in ("cancel", "noop"):
            self.outside = c if policy.outside == "opening" else ZERO
        account = self.world.row("account") if "account" in self.checked.schema.sections else None
        if isinstance(account, Row) and book.action not in ("cancel", "noop", "transfer") and not (account.cell("reconciled") is True or account.cell("reconciled") is ABSENT):
            self.unreconciled = c
        if book.action == "close" and n > c and book.asks("reduce_only") is not False:
            self.overclose = c
        if book.action != "open":
            return
        fills = book.asks("quantity") is ABSENT
        for size in self.checked.sizes:
            if fills or size.node.reach == "all opening":
                units = self._units(size)
                lost = isinstance(units, Unknown)
                cap = n if fills else c if lost else min(n, c + units)
                state = "unknown" if lost else "broken" if cap < n else "kept"
                self.sizes.append((size, Standing(size.id, None, state, cap, leaves=units.leaves if lost else frozenset())))  # type: ignore[arg-type]

    # ── what is permitted ────────────────────────────────────────────────────────────────────────────

    def _caps(self) -> Iterator[Fraction]:
        yield self.n
        yield from (cap for cap in (self.outside, self.unreconciled, self.overclose, self.c if self.floored else None) if cap is not None)
        yield from (standing.cap for standing in [*self.rules, *(standing for _, standing in self.sizes)])

    def _judge_rules(self) -> None:
        """In order; if the phases before permit nothing, later rules are not judged."""
        phase, stopped = 0, False
        for info in self.checked.rules:
            if info.phase != phase and not stopped:
                stopped = self.snap(min(self._caps())) == 0
            phase = info.phase
            self.rules.append(Standing(info.id, info, "silent", self.n) if stopped else self.stand(info))

    def _permit(self) -> None:
        """``permitted``; judged anew, once, where its opening leg comes to less money than a ticket's floor."""
        self._settle()
        opening = self.permitted - self.c
        for size, standing in self.sizes:
            _, floor, leverage = self._money(size)
            if opening > 0 and standing.state != "unknown" and opening * self.book.V < floor * leverage:
                self.floored = size
                self._settle()
                return

    def _settle(self) -> None:
        """The first of ``x`` and its closing leg at which every rule is kept, else 0."""
        self.permitted = ZERO
        wanted = min(self._caps())
        x = self.snap(wanted)
        self.x = x or ZERO
        if x is None or (self.policy.rounding_never and x < wanted):
            return
        for number, size in enumerate((x, self.snap(min(x, self.c)) or ZERO)):
            failing = [standing for standing in self.rules if size > 0 and not self.kept(standing, size)]
            if number == 0:
                for standing in self.rules:
                    standing.fails = standing in failing
            if not failing:
                self.permitted = size
                break
        if self.policy.modify_never and self.permitted < self.n:
            self.permitted = ZERO

    # ── how it is told ───────────────────────────────────────────────────────────────────────────────

    def _tell(self, side: Any) -> Ruling:
        n, permitted = self.n, self.permitted
        holds = [standing for standing in self.rules if self._wants_approval(standing)]
        self.reader.permitted = ZERO if holds else permitted
        verdict = Verdict.DENY if permitted == 0 else Verdict.HOLD if holds else Verdict.MODIFY if permitted < n else Verdict.ALLOW
        reasons = self._reasons(verdict, holds)
        first = reasons[0] if reasons else None
        violated = [s for s in self.rules if s.state == "broken" and KINDS[type(self._node(s))] != "switch" and not warns(s.info) and not self._holds(s)]
        trips = [standing.trip for standing in self.rules if standing.trip is not None and not standing.monitored]
        trips += self._trips_after(verdict, reasons, violated)
        passes = verdict in (Verdict.ALLOW, Verdict.MODIFY)
        outcome = (self._label() if passes else None) or (first.outcome if first else None) or verdict.value
        lot = self.lot
        return Ruling(
            verdict, n, permitted if passes else ZERO, self.c, side, self.book.action, reasons,
            warnings=tuple(Warned(s.id, *self._shown(s, n)) for s in self.rules if s.state == "broken" and warns(s.info)),
            monitored=tuple(Monitored(s.id, self._effect(s), *self._shown(s, n)) for s in self.rules if s.state == "broken" and s.monitored),
            violated=tuple(s.id for s in violated), holds=tuple(s.id for s in holds), if_approved=permitted if verdict is Verdict.HOLD else None,
            tripped=tuple(trips), obligations=tuple(self._obligations(trips)), code=first.code if first else None, outcome=outcome,
            decided_by=first.rule if first else None, emitted=tuple(self._emitted()), lot=lot if isinstance(lot, Fraction) else None)

    @staticmethod
    def _node(standing: Standing) -> ast.RuleItem:
        assert standing.info is not None
        return standing.info.node

    def _holds(self, standing: Standing) -> bool:
        """It asks for approval by its own words, not instead of a denial."""
        node = self._node(standing)
        return (isinstance(node, ast.Rule) and isinstance(node.effect, ast.Hold)) or (isinstance(node, ast.Limit) and node.breach == "hold")

    def _wants_approval(self, standing: Standing) -> bool:
        """A hold is judged at the permitted quantity; one that cannot be evaluated there is wanting."""
        if standing.state == "silent" or standing.monitored or self.permitted <= standing.s or self.approval(standing) is None:
            return False
        assert standing.info is not None
        return self.broken(standing.info, self.permitted) is not False

    def _reasons(self, verdict: Verdict, holds: list[Standing]) -> tuple[Reason, ...]:
        if verdict is Verdict.ALLOW:
            return ()
        stages = [stage for phase in self.policy.phases for stage in phase]
        front = sum(stages.index(rule.stage) < stages.index("SYS") for rule in self.checked.rules) if self.policy.sys_listed else None
        told, last = Told(front), len(self.rules)
        if self.outside is not None and self.outside < self.n:
            reason = Reason("SYS-010", "system", "SYS", "deny", severity="critical", permitted=self.outside)
            told.say(*((-2, 0) if front is None else (front, -1)), reason, "SYS-010")
        if self.unreconciled is not None and self.unreconciled < self.n:
            reason = Reason("SYS-014", "system", "SYS", "deny", severity="critical", permitted=self.unreconciled)
            told.say(*((-2, 0) if front is None else (front, -1)), reason, "SYS-014")
        for index, (size, standing) in enumerate(self.sizes):
            if standing.cap < self.n or size is self.floored:
                told.need((-1, 2 * index), standing.leaves, standing.cap, size.id)
                if not standing.leaves:
                    floored = size is self.floored
                    told.say(-1, 2 * index + 1, Reason(size.id, "size", "size", "deny" if floored else "reduce", title=size.node.title,
                                                       permitted=self.c if floored else standing.cap))
        for position, standing in enumerate(self.rules):
            if standing.state == "unknown" and standing.cap < self.n:
                told.need((position, 0), standing.leaves, standing.cap, standing.id, standing.info)
            elif standing.cap < self.n or standing.fails or (standing in holds and self.permitted > 0):
                told.say(position, 1, self._reason(standing, standing in holds))
        if self.overclose is not None:
            told.say(last, 3, _snapped("/intent/quantity", "over-close", self.overclose), "SYS-012")
            legs = merge(self.book.closable)
            told.need((last, 2), legs.leaves if legs is not None else (), ZERO)
        wanted = min(self._caps())
        x = self.snap(wanted)
        if x is None or x < wanted:
            told.need((last, 2), self.grid_leaves, ZERO)
            if x is not None and verdict is not Verdict.HOLD:
                told.say(last, 4, _snapped("", "lot", x), "SYS-012")
        return told.reasons()

    def _reason(self, standing: Standing, held: bool) -> Reason:
        info, node, n = standing.info, self._node(standing), self.n
        assert info is not None
        lower = self.permitted < n if held else standing.cap == n
        q = n if not lower else self.permitted if held else self.x
        observed, comparison, limit, unit = self.sides(info, q)
        approval = self.approval(standing) if held else None
        within = self.reader.value(approval[2], n) if approval and approval[2] is not None else None
        attributes = node.attributes
        return Reason(
            info.id, KINDS[type(node)], info.stage, "hold" if held else self._effect(standing), title=node.title, severity=info.severity,
            code=attributes.code.text if attributes.code else None, outcome=attributes.outcome.text if attributes.outcome else None,
            observed=shown(observed), comparison=comparison, limit=shown(limit), unit=unit, at="x" if lower else "n",
            permitted=n if held else self.permitted if lower else standing.cap,
            approval=Approval(approval[0], approval[1], int(within) if isinstance(within, Fraction) else None) if approval else None)

    def _effect(self, standing: Standing) -> Effect:
        node = self._node(standing)
        if isinstance(node, ast.KillSwitch):
            return "deny opening" if denies(node) == "opening" else "deny all"
        if isinstance(node, ast.Limit):
            return "reduce" if node.breach == "reduce" else "hold" if node.breach == "hold" else "deny"
        if isinstance(node, ast.Rule) and isinstance(node.effect, ast.Deny) and node.effect.opening_only:
            return "deny opening"
        return "hold" if self._holds(standing) else "deny"

    def _shown(self, standing: Standing, q: Fraction) -> tuple[Any, Any]:
        assert standing.info is not None
        observed, _, limit, _ = self.sides(standing.info, q)
        return shown(observed), shown(limit)

    def _label(self) -> str | None:
        labels = self.checked.answer.labels if self.checked.answer is not None else ()
        return next((one.label.text for one in labels if one.when is None or self.reader.value(one.when, self.n) is True), None)

    def _emitted(self) -> Iterator[str]:
        for emit in self.checked.emits:
            if emit.when is None or self.reader.value(emit.when, self.n) is True:
                yield f"[{emit.tag}] {self.text(emit.text)}"

    def text(self, template: ast.Template) -> str:
        """A template with its holes filled: intent and `after.` as asked, `permitted.` as decided."""
        parts = [part if isinstance(part, str) else (self.reader.bare(part.value, self.n), self.checked.types.get(part.value.id), part.format)
                 for part in template.parts]
        return texts.fill(parts, self.policy.currency)

    # ── trips that hold from the next intent on ──────────────────────────────────────────────────────

    def _trips_after(self, verdict: Verdict, reasons: tuple[Reason, ...], violated: list[Standing]) -> Iterator[Trip]:
        for standing in self.rules:
            node = self._node(standing)
            if not isinstance(node, ast.KillSwitch) or standing.state != "kept" or standing.monitored:
                continue
            scope = self.reader.scope(node)
            for index, clause in enumerate(clauses(node)):
                if isinstance(clause, ast.TripOnRule) and self.checked.references[clause.rule.id] in {one.id for one in violated}:
                    yield Trip(standing.id, scope, "rule", index)
                    break
                if isinstance(clause, ast.TripOnCount):
                    count, amount = self._count_for(clause, verdict, reasons, violated, standing.id, scope), self.reader.value(clause.amount, self.n)
                    if isinstance(count, Fraction) and isinstance(amount, Fraction) and count >= amount:
                        yield Trip(standing.id, scope, "count", index, count, amount)
                        break

    def _count_for(
        self, clause: ast.TripOnCount, verdict: Verdict, reasons: tuple[Reason, ...], violated: list[Standing], switch: str, scope: Any,
    ) -> Any:
        """Matching violations or denials in the window since the switch was armed, this decision's own among them."""
        rules = [self.checked.references[reference.id] for reference in clause.rules]
        families = [family.text for family in clause.families]

        def matches(rule: Any, severity: Any, family: Any) -> bool:
            if rules or families:
                family = family if isinstance(family, str) else str(rule).rpartition(".")[2].rpartition("-")[0]
                return rule in rules if rules else family in families
            return clause.severity is None or (severity in SEVERITIES and SEVERITIES.index(severity) >= SEVERITIES.index(clause.severity))

        section = self.checked.throttle_events[clause.id]
        events = self.reader.window(section, self.reader.value(clause.window, self.n))
        if isinstance(events, Unknown):
            return events
        events = after_arming(events, self.world.armed_since(switch, scope), self.world.armed_before(switch, scope, section.name))
        count = sum(matches(*(cell if isinstance(cell := event.cell(name), str) else None for name in ("rule", "severity", "family"))) for event in events)
        if section.name == "violations":
            count += sum(matches(one.id, one.info.severity, one.info.stage) for one in violated if one.info)
        elif verdict is Verdict.DENY:
            count += any(matches(one.rule, one.severity, None) for one in reasons if one.kind not in ("system", "switch"))
        return Fraction(count)

    def _obligations(self, trips: list[Trip]) -> Iterator[Obligation]:
        nodes = {rule.id: rule.node for rule in self.checked.rules}
        for trip in trips:
            node = nodes[trip.switch]
            assert isinstance(node, ast.KillSwitch)
            for action in (action for clause in node.clauses if isinstance(clause, ast.OnTrip) for action in clause.actions):
                match action:
                    case ast.Cancel():
                        yield Obligation("cancel_open_orders" if action.which == "opening" else "cancel_all_orders", trip.switch)
                    case ast.Flatten():
                        yield Obligation("flatten", trip.switch)
                    case ast.Notify():
                        yield Obligation("notify", trip.switch, action.channel)


def _snapped(path: str, problem: str, permitted: Fraction) -> Reason:
    return Reason("SYS-012", "system", "SYS", "snap", severity="critical", permitted=permitted, leaves=(Leaf("SYS-012", path, problem),))
