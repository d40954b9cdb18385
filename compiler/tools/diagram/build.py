"""From a policy, and perhaps facts, to a diagram."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from caplex.compiler.syntax import ast
from caplex.compiler.tools.diagram import words
from caplex.compiler.tools.diagram.decided import Path as Taken
from caplex.compiler.tools.diagram.decided import path_of
from caplex.compiler.tools.diagram.model import Diagram, Edge, Outcome, Row, Stage, Switch
from caplex.runtime.canonical import grouped, plain
from caplex.runtime.facts import Facts
from caplex.runtime.plan import Plan, RulePlan, SettingPlan, SizePlan
from caplex.runtime.policy import Policy
from caplex.runtime.report.cells import visible
from caplex.runtime.report.phrases import place
from caplex.runtime.texts import human

EFFECTS = {"deny": "denies", "reduce": "reduces", "hold": "holds", "warn": "warns"}
FACTS_STAGE = "SYS"


def graph(
    policy: Policy | str | Path, facts: Mapping[str, Any] | Facts | None = None, *, intent: Mapping[str, Any] | None = None,
    settings: Any = None, mode: Literal["enforce", "monitor"] | None = None,
) -> Diagram:
    """The diagram of *policy*; with *facts*, of the decision on them.

    Args:
        policy: A policy, or the path of one, which is loaded with *settings* and *mode*.
        intent: Stands for the one in *facts*.
    Raises:
        PolicyError: The policy in the file does not compile.
    """
    if not isinstance(policy, Policy):
        from caplex.compiler.loading import load

        policy = load(policy, settings=settings, mode=mode)
    elif settings is not None or mode is not None:
        raise TypeError("settings and mode belong to a policy that is loaded here; this one is compiled already")
    if intent is not None:
        if facts is None:
            raise TypeError("an intent needs facts to be decided on")
        document = facts.document if isinstance(facts, Facts) else facts
        facts = {**document, "intent": intent}
    return _Builder(policy, None if facts is None else path_of(policy, facts)).diagram()


class _Builder:
    def __init__(self, policy: Policy, taken: Taken | None) -> None:
        self.policy, self.plan, self.taken = policy, policy.plan, taken
        self.texts = words.texts(policy.plan.sources)
        live = taken.tripped if taken is not None else frozenset()
        # Source, switch, whether it happens now.
        self.pairs = [(name, rule.id, (rule.id, index) in live) for rule in self.plan.rules for index, trip in enumerate(rule.trips)
                      if trip.kind == "rule" for name in trip.rules]

    def diagram(self) -> Diagram:
        plan, taken = self.plan, self.taken
        header = plan.header
        lot = "" if header.lot is None else f"lot {grouped(plain(header.lot))}"
        facts = (header.mode, header.currency, lot, f"owner {self.texts.owner}" if self.texts.owner else "")
        diagram = Diagram(
            name=header.name, version=header.version, facts=tuple(filter(None, facts)), stages=self._stages(),
            sizes=tuple(map(self._size, plan.sizes)), labels=words.labels(self.texts.answer), switches=self._switches(),
            outcome=Outcome("", self._end()), hash=plan.hash, rules=len(plan.rules))
        edges = tuple(Edge("trips", source, switch, now) for source, switch, now in self.pairs)
        if taken is not None:
            decided = next((row.id for row in diagram.rows() if row.decides), None)
            if decided is not None:
                edges = (*edges, Edge("decides", decided, "outcome", live=True))
            diagram = replace(diagram, subject=taken.subject, outcome=taken.outcome)
        shown: Diagram = _shown(replace(diagram, edges=edges))
        return shown

    def _end(self) -> str:
        header = self.plan.header
        if header.modify_never:
            return "the smallest cap decides: the whole order, or nothing"
        lot = "the lot of the instrument" if header.lot is None else f"lots of {grouped(plain(header.lot))}"
        return "the smallest cap is what may go ahead, " + (f"in {lot}, never rounded" if header.rounding_never else f"rounded down to {lot}")

    # ── stages ───────────────────────────────────────────────────────────────────────────────────────

    def _stages(self) -> tuple[Stage, ...]:
        plan, taken = self.plan, self.taken
        rows: dict[str, list[Row]] = {name: [] for name in plan.header.stages}
        phases = {name: number for number, phase in enumerate(self.texts.phases, 1) for name in phase}
        skipped: dict[str, bool] = {}
        system = taken.system if taken is not None else ()
        if plan.header.sys_listed:
            rows[FACTS_STAGE] = list(system) or [self._facts_row()]
        for rule in plan.rules:
            rows.setdefault(rule.stage, []).append(self._row(rule))
            phases.setdefault(rule.stage, rule.phase + 1)
            skipped[rule.stage] = skipped.get(rule.stage, True) and rule.skipped
        filled = [(name, tuple(found)) for name, found in rows.items() if found]
        stages = [Stage(name, phases.get(name, 1), found, skipped.get(name, False), number) for number, (name, found) in enumerate(filled, 1)]
        if system and not plan.header.sys_listed:
            stages.insert(0, Stage("facts", 1, system))
        if taken is not None and taken.rounding:
            stages.append(Stage("rounding", max((stage.phase for stage in stages), default=1), taken.rounding))
        return tuple(stages)

    def _facts_row(self) -> Row:
        row = Row(FACTS_STAGE, "system", "Facts", "what the rules read is there, in range and fresh; the policy is in effect", "denies")
        return row if self.taken is None else self.taken.facts_kept(row)

    def _row(self, rule: RulePlan) -> Row:
        tree = self._tree(rule)
        effect = f"denies {rule.denies}" if rule.kind == "switch" else EFFECTS[rule.effect] + " opening" * (rule.opening_only and rule.effect == "deny")
        notes = []
        if rule.kind == "limit" and rule.approval is not None:
            notes.append(f"needs {rule.approval[1]} of {rule.approval[0]}")
        if rule.monitor is not None:
            notes.append("monitored, not enforced" if rule.monitor == "always" else "monitored for a time")
        if rule.waivers:
            notes.append(f"{len(rule.waivers)} waiver" + "s" * (len(rule.waivers) > 1))
        notes += [f"trips {switch}" for source, switch, _ in self.pairs if source == rule.id]
        if rule.overridable:
            notes.append(f"overridable by {rule.overridable}")
        row = Row(
            rule.id, rule.kind, rule.title, words.demand(tree) if tree is not None else "", effect, rule.severity, self._settings(rule, tree),
            tuple(notes), place(rule.source), " ".join(getattr(tree, "doc", "").split()))
        return row if self.taken is None else self.taken.row(row)

    def _size(self, size: SizePlan) -> Row:
        tree = self._tree(size)
        reach = "for all opening orders" if size.reach == "all opening" else "for orders without a size"
        row = Row(size.id, "size", size.title or "", words.demand(tree) if tree is not None else "", "sizes", "", self._settings(size, tree),
                  (reach,), place(size.source), " ".join(getattr(tree, "doc", "").split()))
        return row if self.taken is None else self.taken.size(row)

    def _tree(self, rule: RulePlan | SizePlan) -> ast.RuleItem | ast.Size | None:
        file = rule.source.rpartition(":")[0]
        return self.texts.rules.get((file, rule.id.rpartition(".")[2]))

    def _settings(self, rule: RulePlan | SizePlan, tree: ast.RuleItem | ast.Size | None) -> tuple[str, ...]:
        if tree is None:
            return ()
        file, prefix = rule.source.rpartition(":")[0], rule.id.rpartition(".")[0]
        return tuple(_setting(self.plan.settings[name], self.plan) for name in words.reads(tree, self.texts, file, prefix, self.plan.settings))

    # ── switches ─────────────────────────────────────────────────────────────────────────────────────

    def _switches(self) -> tuple[Switch, ...]:
        found = []
        for rule in self.plan.rules:
            tree = self._tree(rule)
            if rule.kind != "switch" or not isinstance(tree, ast.KillSwitch):
                continue
            told = words.machine(tree)
            switch = Switch(rule.id, rule.title, told.scope, told.trips, rule.denies, told.duties, told.rearm, told.on_rearm)
            found.append(switch if self.taken is None else self.taken.switch(switch))
        return tuple(found)


def _setting(setting: SettingPlan, plan: Plan) -> str:
    many = len(setting.overrides)
    said = f"{setting.name} {human(setting.value if setting.value is not None else 'unlimited', setting.type, plan.header.currency)}"
    said += "" if setting.origin in ("policy", "use") else f", from {setting.origin}"
    return said + (f", {many} override" + "s" * (many > 1) if many else "")


# ── nothing that moves the cursor or hides reaches a picture ──────────────────────────────────────────


def _shown(thing: Any) -> Any:
    """*thing* with every text in it made visible, on one line."""
    if isinstance(thing, str):
        return thing if thing.isascii() and thing.isprintable() else visible(" ".join(thing.split()) if thing.strip() else "")
    if isinstance(thing, tuple):
        return tuple(map(_shown, thing))
    if hasattr(thing, "__dataclass_fields__"):
        return replace(thing, **{name: _shown(getattr(thing, name)) for name in thing.__dataclass_fields__})
    return thing
