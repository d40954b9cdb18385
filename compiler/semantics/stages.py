"""The header: what it says, what it must say, and where that puts each rule."""
from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from caplex.compiler.diagnostics import codes_names
from caplex.compiler.diagnostics import codes_stages as codes
from caplex.compiler.diagnostics.diagnostic import Diagnostic
from caplex.compiler.semantics import builtins
from caplex.compiler.semantics.items import Found
from caplex.compiler.semantics.model import PolicyInfo, RuleInfo, WaiverInfo
from caplex.compiler.semantics.report import at, guess, listing
from caplex.compiler.semantics.symbols import Scope, family, number
from caplex.compiler.syntax import ast
from caplex.grammar import LANGUAGE_VERSION

DEFAULT_SEVERITY = "medium"
SWITCH_ACTIONS = frozenset({"open", "close", "adjust", "transfer"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAMES: dict[type, str] = {
    ast.Version: "version", ast.Language: "language", ast.Mode: "mode", ast.Currency: "currency",
    ast.Timezone: "timezone",
    ast.DayStarts: "day starts", ast.Owner: "owner", ast.Effective: "effective", ast.Stages: "stages",
    ast.ClosingSkips: "closing",
    ast.ClosingFaces: "closing", ast.TightestWins: "overrides", ast.OverridesBy: "overrides", ast.LotClause: "lot",
    ast.RoundingNever: "rounding", ast.ModifyNever: "modify", ast.JournalContinues: "journal failure",
    ast.IdempotencyKeep: "idempotency",
    ast.Strict: "strict",
}


def day_start(iso: str, timezone: str, *, later_days: int = 0) -> int:
    """Local midnight at the start of the day *iso* (plus *later_days*), in nanoseconds since 1970."""
    try:
        zone: ZoneInfo = ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        zone = ZoneInfo("UTC")
    try:
        day = date.fromisoformat(iso) + timedelta(days=later_days)
    except OverflowError:
        day = date.max
    passed = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC) - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000_000


def read_header(header: ast.Header, *, mode: Literal["enforce", "monitor"] | None) -> tuple[PolicyInfo,
                                                                                            list[Diagnostic]]:
    """The header with its defaults; *mode* from outside replaces the one written."""
    problems: list[Diagnostic] = []
    said: dict[str, ast.HeaderClause] = {}
    unlimited: dict[str, ast.UnlimitedClause] = {}
    for clause in header.clauses:
        if isinstance(clause, ast.UnlimitedClause):
            name = f"unlimited {clause.what}"
            first: ast.Node | None = unlimited.setdefault(clause.what, clause)
        else:
            name = _NAMES[type(clause)]
            first = said.setdefault(name, clause)
        if first is not clause and first is not None:
            problems.append(at(codes.REPEATED_CLAUSE, f"`{name}` stands twice", clause.span, "again",
                               also=[(first.span, "first here")]))
    language, zone, stages = said.get("language"), said.get("timezone"), said.get("stages")
    if isinstance(language, ast.Language) and language.number != LANGUAGE_VERSION:
        problems.append(at(codes.LANGUAGE, f"this compiler knows language {LANGUAGE_VERSION}", language.span,
                           "another version",
                           help=f"write `language {LANGUAGE_VERSION}`, or use the caplex that knows it"))
    timezone = "UTC"
    if isinstance(zone, ast.Timezone):
        timezone = _timezone(zone, problems)
    phases = _phases(stages, problems) if isinstance(stages, ast.Stages) else ()
    closing, skipped, unless_worse = _closing(said.get("closing"), phases, problems)
    start, until, outside = _effective(said.get("effective"), timezone, problems)
    written, currency, day, owner = said.get("mode"), said.get("currency"), said.get("day starts"), said.get("owner")
    version, lot, overrides, keep = said.get("version"), said.get("lot"), said.get("overrides"), said.get("idempotency")
    if isinstance(lot, ast.LotClause) and lot.lot <= 0:
        problems.append(at(codes_names.BAD_INPUT, "a lot is greater than 0", lot.span, "not a step"))
    info = PolicyInfo(
        name=header.name.text,
        version=version.text if isinstance(version, ast.Version) else "0",
        language=LANGUAGE_VERSION,
        mode=mode or (written.mode if isinstance(written, ast.Mode) else "enforce"),
        currency=currency.code if isinstance(currency, ast.Currency) else "",
        timezone=timezone,
        day_start_ns=day.at.nanoseconds if isinstance(day, ast.DayStarts) else 0,
        owner=owner.text if isinstance(owner, ast.Owner) else "",
        effective_from_ns=start, effective_until_ns=until, outside=outside,
        phases=phases, sys_listed=any("SYS" in phase for phase in phases),
        closing=closing, skipped=skipped, unless_worse=unless_worse,
        overrides=tuple(name.text for name in overrides.order) if isinstance(overrides, ast.OverridesBy)
        else "tightest",
        lot=Fraction(lot.lot) if isinstance(lot, ast.LotClause) else None,
        rounding_never="rounding" in said, modify_never="modify" in said, journal_continues="journal failure" in said,
        idempotency_keep_ns=keep.keep.nanoseconds if isinstance(keep, ast.IdempotencyKeep) else None,
        strict="strict" in said, unlimited=frozenset(unlimited),
    )
    return info, problems


def _timezone(clause: ast.Timezone, problems: list[Diagnostic]) -> str:
    try:
        ZoneInfo(clause.name)
    except (KeyError, ValueError, OSError):
        problems.append(at(codes.TIMEZONE, f"no time zone is named `{clause.name}`", clause.span, "unknown time zone",
                           help=guess(clause.name, available_timezones())))
        return "UTC"
    return clause.name


def _phases(stages: ast.Stages, problems: list[Diagnostic]) -> tuple[tuple[str, ...], ...]:
    seen: dict[str, ast.Name] = {}
    phases: list[tuple[str, ...]] = []
    for phase in stages.phases:
        kept = []
        for name in phase:
            if name.text in seen:
                problems.append(at(codes.STAGE_TWICE, f"the stage `{name.text}` stands twice", name.span, "again",
                                   also=[(seen[name.text].span, "first here")]))
                continue
            seen[name.text] = name
            kept.append(name.text)
        phases.append(tuple(kept))
    return tuple(phases)


def _closing(
    clause: ast.HeaderClause | None, phases: tuple[tuple[str, ...], ...], problems: list[Diagnostic]
) -> tuple[Literal["skips", "faces"], frozenset[str], bool]:
    if not isinstance(clause, ast.ClosingSkips):
        return "faces", frozenset(), False
    known = [stage for phase in phases for stage in phase]
    for name in clause.families:
        if name.text in ("SYS", "KILL"):
            problems.append(at(codes.CANNOT_SKIP, f"closing cannot skip `{name.text}`", name.span, "faces every order",
                               help="a switch that lets closing through says `while tripped deny opening`"
                               if name.text == "KILL" else None))
        elif name.text not in known and phases:
            problems.append(at(codes_names.UNKNOWN_WORD, f"`{name.text}` is not one of the stages", name.span,
                               "unknown stage",
                               help=guess(name.text, known)))
    return "skips", frozenset(name.text for name in clause.families), clause.unless_worse


def _effective(
    clause: ast.HeaderClause | None, timezone: str, problems: list[Diagnostic]
) -> tuple[int | None, int | None, Literal["opening", "all"]]:
    if not isinstance(clause, ast.Effective):
        return None, None, "opening"
    start = day_start(clause.start.iso, timezone)
    if clause.through is None:
        return start, None, clause.then_deny
    if clause.through.iso < clause.start.iso:
        problems.append(at(codes.EFFECTIVE, "this policy ends before it begins", clause.through.span,
                           "before its start",
                           also=[(clause.start.span, "its start")]))
    return start, day_start(clause.through.iso, timezone, later_days=1), clause.then_deny


# ── placing rules ─────────────────────────────────────────────────────────────────────────────────────


def place_rules(entry: Scope, header: ast.Header, policy: PolicyInfo,
                waivers: dict[str, WaiverInfo]) -> tuple[tuple[RuleInfo, ...], list[Diagnostic]]:
    """All rules in the order of decision: stage, number, id."""
    problems: list[Diagnostic] = []
    stage_of = {stage: (index, phase) for index, (phase, stage) in enumerate(
        (phase, stage) for phase, stages in enumerate(policy.phases) for stage in stages)}
    lifted: dict[str, list[str]] = {}
    for waiver in waivers.values():
        lifted.setdefault(waiver.of, []).append(waiver.id)
    ranked: list[tuple[tuple[int, int, str], ast.RuleItem]] = []
    homeless: dict[str, ast.RuleItem] = {}
    for scope in entry.walk():
        for rule_id, item in scope.rules.items():
            stage = family(rule_id)
            if stage in stage_of:
                ranked.append(((stage_of[stage][0], number(rule_id), scope.prefix + rule_id), item))
            else:
                homeless.setdefault(stage, item)
            if isinstance(item, ast.KillSwitch) and stage in policy.skipped and stage != "KILL":
                problems.append(at(codes.CANNOT_SKIP, f"`{rule_id}` is a kill switch in a stage that closing skips",
                                   item.rule_id.span,
                                   "faces every order", help="give it a family of its own, such as `KILL`"))
    problems += _homeless(homeless, entry, header, policy)
    ranked.sort(key=lambda pair: pair[0])
    rules = []
    for position, ((_, _, rule_id), item) in enumerate(ranked):
        stage = family(rule_id)
        switch = isinstance(item, ast.KillSwitch)
        monitor = item.attributes.monitor
        rules.append(RuleInfo(
            id=rule_id, node=item, stage=stage, phase=stage_of[stage][1], position=position,
            skipped=stage in policy.skipped and not switch,
            unless_worse=policy.unless_worse and stage in policy.skipped,
            actions=SWITCH_ACTIONS if switch else frozenset(name.text for name in item.attributes.actions)
            or builtins.DEFAULT_ACTIONS,
            monitor=day_start(monitor.iso, policy.timezone, later_days=1) if isinstance(monitor, ast.Date) else monitor,
            severity=item.attributes.severity or ("critical" if switch else DEFAULT_SEVERITY),
            waivers=tuple(lifted.get(rule_id, ())),
        ))
    return tuple(rules), problems


def _homeless(homeless: dict[str, ast.RuleItem], entry: Scope, header: ast.Header,
              policy: PolicyInfo) -> Iterable[Diagnostic]:
    """One complaint for each family without a stage, or one for all where no stages are written at all."""
    if not homeless:
        return
    if not policy.phases:
        yield at(codes.MISSING_CLAUSE, f"the policy `{header.name.text}` does not say in which order its rules stand",
                 header.name.span,
                 "`stages` is missing", help=f"write `stages {', '.join(homeless)}`")
        return
    stages = [stage for phase in policy.phases for stage in phase]
    clause = next(clause for clause in header.clauses if isinstance(clause, ast.Stages))
    for stage, item in homeless.items():
        imported = next((scope for scope in entry.walk() if scope.prefix and item.rule_id.text in scope.rules
                         and scope.rules[item.rule_id.text] is item), None)
        use = imported.use if imported is not None else None
        place = use.target_span if use is not None and not imported_deep(imported) else item.rule_id.span
        label = f"brings `{item.rule_id.text}`" if use is not None else f"its family is `{stage}`"
        yield at(codes.FAMILY, f"the family `{stage}` is not in `stages`", place, label, also=[(clause.span, "")],
                 help=guess(stage, stages) or f"add `{stage}` to `stages`; they are {listing(stages)}")


def imported_deep(scope: Scope | None) -> bool:
    return scope is not None and scope.prefix.count(".") > 1


def names_currency(header: ast.Header, policy: PolicyInfo, money: ast.Node | None) -> list[Diagnostic]:
    """A policy that counts money says in which currency; *money* is the first amount that it reads or writes."""
    if money is None or policy.currency:
        return []
    written = money.currency if isinstance(money, ast.Money) and money.currency else "USD"
    return [at(codes.MISSING_CLAUSE, f"the policy `{header.name.text}` counts money and names no currency",
               header.name.span,
               "`currency` is missing", help=f"write `currency {written}`")]


def must_say(entry: Scope, header: ast.Header, policy: PolicyInfo, rules: tuple[RuleInfo, ...],
             found: Found) -> list[Diagnostic]:
    """Clauses that the rest of the policy makes necessary."""
    problems: list[Diagnostic] = []
    written = any(isinstance(clause, (ast.ClosingSkips, ast.ClosingFaces)) for clause in header.clauses)
    if not written and any({"open", "close"} & rule.actions and not isinstance(rule.node, ast.KillSwitch)
                           for rule in rules):
        problems.append(at(codes.CLOSING, "nothing says whether closing orders face the rules", header.name.span,
                           "`closing` is missing",
                           help="write `closing skips LOSS, …` so that these rules never trap a position, or `closing faces every rule`"))
    if policy.mode == "enforce":
        problems += _reach(entry, header, policy, rules, found)
    return problems


def _reach(entry: Scope, header: ast.Header, policy: PolicyInfo, rules: tuple[RuleInfo, ...],
           found: Found) -> Iterable[Diagnostic]:
    """In force, what may be opened or adjusted is bounded in size and stopped after losses, unless the header says otherwise."""
    sized = {action for rule in rules if _bounds_size(rule, found) for action in rule.actions}
    if any(size.reach == "all opening" for scope in entry.walk() for size in scope.sizes.values()):
        sized.add("open")
    stopped = {action for rule in rules if _stops_losses(rule, found) for action in rule.actions}
    open_ended = [action for action in ("open", "adjust") if action not in sized]
    if open_ended and "exposure" not in policy.unlimited:
        yield at(codes.NO_SIZE_LIMIT, f"nothing bounds the size of what may be {_done(open_ended)}", header.name.span,
                 "no size limit",
                 help="write a limit, such as `abs(after.position.notional) at most 10% of account.equity`, or the clause `unlimited exposure`")
    unstopped = [action for action in ("open", "adjust") if action not in stopped]
    if unstopped and "loss" not in policy.unlimited:
        yield at(codes.NO_LOSS_RULE, f"after losses, nothing stops what may be {_done(unstopped)}", header.name.span,
                 "no loss rule",
                 help="write a limit, such as `account.day_loss below 2% of account.day_start_equity`, or the clause `unlimited loss`")


def _done(actions: list[str]) -> str:
    return " or ".join({"open": "opened", "adjust": "adjusted"}[action] for action in actions)


def _bounds_size(rule: RuleInfo, found: Found) -> bool:
    node = rule.node
    if rule.monitor is not None or not found.reads[rule.id].measured & builtins.READS_SIZE:
        return False
    if isinstance(node, ast.Limit):
        return node.breach != "warn" and not isinstance(node.bound, ast.Unlimited) and node.boundary in ("at most",
                                                                                                         "below")
    return isinstance(node, ast.Rule) and not isinstance(node.effect, ast.Warn)


def _stops_losses(rule: RuleInfo, found: Found) -> bool:
    node = rule.node
    if rule.monitor is not None or (isinstance(node, ast.Limit) and node.breach == "warn") or \
            (isinstance(node, ast.Rule) and isinstance(node.effect, ast.Warn)):
        return False
    reads = found.reads[rule.id].measured
    if reads & builtins.LOSS_READS or (reads & builtins.LOSS_MONEY and reads & builtins.LOSS_BASES):
        return True
    return any(word in path for path in reads for word in ("loss", "drawdown", "pnl"))


def waivers_of(entry: Scope, references: dict[int, str], timezone: str) -> dict[str, WaiverInfo]:
    """Every waiver whose rule and end are known, by qualified id."""
    infos = {}
    for scope in entry.walk():
        for waiver_id, waiver in scope.waivers.items():
            of = references.get(waiver.of.id)
            if of is not None and waiver.through is not None:
                until = day_start(waiver.through.iso, timezone, later_days=1)
                infos[scope.prefix + waiver_id] = WaiverInfo(scope.prefix + waiver_id, of, waiver, until)
    return infos


def unwritten(module: ast.Module) -> Diagnostic | None:
    """An entry file without a header."""
    if module.header is not None:
        return None
    place = module.items[0].span if module.items else module.span
    return Diagnostic(codes.NO_POLICY, "this file has no policy header", place,
                      help="an entry file begins with `policy name { … }`; a module decides through a policy that uses it")


def decides_nothing(entry: Scope, header: ast.Header) -> Iterable[Diagnostic]:
    """A policy without anything that judges, sizes or allocates."""
    if not any(scope.sizes or any(isinstance(item, ast.Allocate) for item in scope.module.items)
               for scope in entry.walk()):
        yield at(codes.NO_POLICY, f"the policy `{header.name.text}` has no rule", header.name.span,
                 "would allow everything")
