"""Random sentences from the grammar itself, and random damage to good programs; deterministic, a few seconds."""
from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from pathlib import Path

from lark.grammar import NonTerminal, Rule, Symbol

from caplex.compiler.source import Source
from caplex.compiler.syntax.parser import front, parse
from caplex.compiler.syntax.printer import print_module
from caplex.compiler.syntax.words import EVENT_WORDS, RESERVED

TABLES = front()[0]
EVERY_WORD = sorted({*TABLES.keywords, "low", "high", "allow", "hold", "fill", "tick", "unless", "worse", "list"})
FREE = [word for word in EVERY_WORD if word not in RESERVED]
PLAIN = ["x", "account", "positions", "policycore", "min_confidence", "notional"]
STEP_WORDS = {*EVENT_WORDS, "at", "by", "each", "expect", "given", "rearm", "trip", "buy", "sell", "units", "to"}
# Words that are names before an operator: after an expression the lexer must see what follows, so they stand aside here.
SOFT = {"score", "floor", "ceiling", "start", "times", "open", "today", "reserve", "readings"}

LITERALS: dict[str, list[str]] = {
    "RULE_ID": ["EXP-001", "A-1", "MIFID-17-2"], "RULE_REF": ["EXP-001", "desk.EXP-001"], "FAMILY": ["EXP", "SYS", "EXP-FX"],
    "CURRENCY": ["USD", "BTC", "USDT"], "INSTANT": ["2026-01-05T15:00:00Z", "2026-01-05T15:00Z"], "DATE": ["2026-01-05"],
    "TIME": ["09:30", "16:00:30"], "DURATION": ["5min", "1h30min", "250ms", "1w"], "PERCENT": ["20%", "0.5%"], "BASIS": ["25bp"],
    "POINTS": ["10pp"], "TIMES_X": ["2x", "1.5x"], "DOLLARS": ["$5", "$5_000.50"], "NUMBER": ["1", "3", "5_000"],
    "STRING": ['"x"', '"a { \\" b"', '"#"'], "TEMPLATE": ['"a {x} b"', '"{market["S"].p:.2}"'], "FORMAT": [":.2"],
    "CMP": ["<=", "==", ">", "!="], "SEVERITY": ["low", "high"], "VERDICT": ["allow", "deny", "hold"], "EVENT": ["intent", "fill"],
    "NORM": ["trim", "upper"], "SUPPLIER": ["host", "derived"], "PATH": ["a.b", "account.limit", "after.position.notional"],
    "UNLESS_WORSE": ["unless  worse"],
}


class Deriver:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.rules: dict[str, list[Rule]] = defaultdict(list)
        for rule in TABLES.lark.rules:
            self.rules[rule.origin.name].append(rule)
        self.cost: dict[str, int] = {}
        changed = True
        while changed:
            changed = False
            for name, rules in self.rules.items():
                best = min(self.price(rule) for rule in rules)
                if best < self.cost.get(name, 10**6):
                    self.cost[name], changed = best, True

    def price(self, rule: Rule) -> int:
        return 1 + max((0 if s.is_term else self.cost.get(s.name, 10**6) for s in rule.expansion), default=0)

    def derive(self, symbol: Symbol, origin: str, depth: int, out: list[str]) -> None:
        if symbol.is_term:
            out.append(self.word(symbol.name, origin))
            return
        rules = self.rules[symbol.name]
        if depth <= 0:
            cheapest = min(map(self.price, rules))
            rules = [rule for rule in rules if self.price(rule) == cheapest]
        for part in self.random.choice(rules).expansion:
            self.derive(part, symbol.name, depth - 1, out)

    def word(self, name: str, origin: str) -> str:
        if name == "NAME":
            return self.random.choice([w for w in FREE if w not in SOFT] if self.random.random() < 0.5 else PLAIN)
        if name == "FIELD":
            banned: set[str] = STEP_WORDS if origin == "pair" else {"true", "false", "unlimited"} if origin.startswith("fact_clause") else set()
            return self.random.choice([word for word in EVERY_WORD if word not in banned])
        if name in LITERALS:
            return self.random.choice(LITERALS[name])
        pattern = TABLES.spelling[name]
        keyword = re.match(r"[a-z]+", pattern)
        return keyword[0] if keyword else pattern.replace("\\", "")


def test_random_sentences_parse_and_print_to_themselves() -> None:
    deriver, used = Deriver(5), Counter[str]()
    items = [rule.expansion[0] for rule in deriver.rules["_item"]] + [NonTerminal("header")]
    sentences = 0
    for i in range(700):
        words: list[str] = []
        deriver.derive(items[i % len(items)], "", deriver.random.randint(6, 20), words)
        if len(words) > 400 or (i % len(items) == len(items) - 1 and i > 100):
            continue
        text = deriver.random.choice([" ", "\n", " # c\n"]).join(words)
        text = re.sub(rf"\b({'|'.join(SOFT)})(\s+)-(?:\s| # c\n)", r"\1\2-", text)
        if re.search(rf"\b({'|'.join(SOFT)})\s*(?:# c\n)?\[", text):
            continue
        module, problems = parse(Source("t.cap", text))
        complaints = [p for p in problems if p.code.id not in ("CAP114", "CAP115", "CAP116")]  # what a grammar cannot say
        assert not any(p.code.id == "CAP101" and "aggregate" not in p.message for p in complaints), (text, complaints[0])
        if module is None or "repeated=('" in repr(module):  # an attribute said twice is printed once
            continue
        sentences += 1
        used.update(type(node).__name__ for node in module.items)
        printed = print_module(module)
        again, problems = parse(Source("t.cap", printed))
        assert not problems, (text, printed, problems[0].message, problems[0].help)
        assert again == module, (text, printed)
    assert sentences > 350
    assert len(used) >= 16


SEEDS = re.split(r"^=== .*\n", (Path(__file__).parent / "programs.txt").read_text(encoding="utf-8"), flags=re.M)[1:]
SCRAPS = ["{", "}", "(", ")", "[", "]", '"', "#", "##", "\n", "rule A-1", "deny", "when", "-", "5min", "$", "%", "\\", "\0", "é", "😀", " ",
          "if", "else", "and", "trip", "on", "=", "<=", "of", "for each", "A-1", "09:30", "\r", "\t", "\ufeff", "at most", "..", ".",
          "within", "because", "{x}", "limit", "expect", '"a {b', "USD", "5_000", "\u202e", ":", "?", "|", "/", "*", "<", ">", "+", ","]


def damage(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 5)):
        kind, at = chance.random(), chance.randrange(len(text) + 1)
        if kind < 0.4:
            text = text[:at] + " " * chance.randint(0, 1) + chance.choice(SCRAPS) + " " * chance.randint(0, 1) + text[at:]
        elif kind < 0.65:
            text = text[:at] + text[at + chance.randint(1, 12) :]
        elif kind < 0.9:
            other = chance.randrange(len(text) + 1)
            text = text[:at] + text[other : other + chance.randint(1, 40)] + text[at:]
        else:
            text = text[:at]
    return text


def test_damaged_programs_give_errors_and_never_exceptions() -> None:
    chance = random.Random(7)
    broken = 0
    for _ in range(2500):
        text = damage(chance.choice(SEEDS), chance)
        source = Source("t.cap", text)
        module, problems = parse(source)
        assert (module is None) == bool(problems)
        broken += bool(problems)
        for problem in problems:
            said = f"{problem.message} {problem.help}"
            assert not re.search(r"__ANON|\$END|(?<!`)\b[A-Z]+_[A-Z]+\b", said), (text, said)
            assert problem.span is None or 0 <= problem.span.start <= problem.span.end <= len(text), (text, problem)
        if module is not None:
            again, _ = parse(Source("t.cap", print_module(module)))
            assert again == module, text
    assert broken > 1500
