"""The form of results, the history and what has moved, the plots, and the page: on figures that the test makes."""
from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import history
import plots
import pytest
import report
from history import Entry
from results import Curve, Measured, Result, Unusable, read, write

ROOT = Path(__file__).resolve().parents[2]
STEP = Result("step / hand", "ratio", 1.5, 1.4, 1.6, 9, most=2.0, better="lower")
PEER = Result("peer / step", "ratio", 40.0, 35.0, 44.0, 9, least=60.0, note="absent <b>elsewhere</b>", better="higher")
LOAD = Result("load", "ms", 12.0, 11.0, 13.0, 9, most=50.0, better="lower")
PLAIN = Result("other", "ratio", 1.0, 0.9, 1.1, 9)
GROWS = Curve("cost, by rules", "rules", [(10, 1.0, 0.9, 1.1), (100, 1.1, 1.0, 1.2), (1000, 1.2, 1.1, 1.4)])


@pytest.fixture
def folder(tmp_path) -> Path:
    write(str(tmp_path / "decide.json"), "decide", [STEP, LOAD, PLAIN], [GROWS], checked="64 cases")
    write(str(tmp_path / "peers.json"), "peers", [PEER], notes=["one engine is not installed"])
    return tmp_path


# ── results ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_ratio_is_taken_within_each_round():
    found = Result.ratio("a / b", [10, 40, 90], [10, 20, 30], most=2)
    assert (found.median, found.samples, found.kept) == (2, 3, True)
    with pytest.raises(ValueError, match="zip"):
        Result.ratio("a / b", [1, 2], [1])


@pytest.mark.parametrize(("result", "kept"), [
    (Result("x", "ratio", 2.0, 1, 3, most=2.0), True), (Result("x", "ratio", 2.01, 1, 3, most=2.0), False),
    (Result("x", "ratio", 2.0, 1, 3, least=2.0), True), (Result("x", "ratio", 1.99, 1, 3, least=2.0), False), (Result("x", "ratio", 1, 1, 1), None)])
def test_the_median_keeps_the_budget_or_not(result, kept):
    assert result.kept is kept


def test_what_is_written_is_read_back(folder):
    found = read(folder / "decide.json")
    assert found.results == [STEP, LOAD, PLAIN]
    assert found.curves == [GROWS]
    assert (found.benchmark, found.checked) == ("decide", "64 cases")
    document = json.loads((folder / "decide.json").read_text(encoding="utf-8"))
    assert next(iter(document)) == "schema"
    assert document["results"][0] == {
        "name": "step / hand", "unit": "ratio", "median": 1.5, "low": 1.4, "high": 1.6, "samples": 9, "budget": {"most": 2.0}, "kept": True,
        "machine_independent": True, "better": "lower", "note": ""}


def test_the_form_stands_in_the_readme():
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    (shown,) = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.S)]
    assert set(shown) == set(Measured("x", []).to_dict())
    assert set(shown["results"][0]) == set(STEP.to_dict())
    assert set(shown["curves"][0]) == set(GROWS.to_dict())


@pytest.mark.parametrize(("text", "words"), [
    ("{", "is not JSON"), ("[]", "its `schema` is not"), ('{"schema": "caplex.decision/1"}', "its `schema` is not"),
    ('{"schema": "caplex.benchmarks/1", "benchmark": "x", "results": [{"name": "a"}]}', "a result has no 'unit'"),
    ('{"schema": "caplex.benchmarks/1", "benchmark": "x", "results": [{"name": "a", "unit": "miles"}]}', "`miles` is none of"),
    ('{"schema": "caplex.benchmarks/1", "benchmark": "x", "results": [{"name": "a", "unit": "s", "median": "1", "low": 1, "high": 1}]}', "'1' is not a number"),
    ('{"schema": "caplex.benchmarks/1", "benchmark": "x", "results": [{"name": "a", "unit": "s", "median": NaN, "low": 1, "high": 1}]}', "is not a number"),
    ('{"schema": "caplex.benchmarks/1", "benchmark": "x", "results": [1]}', "README"),
    ('{"schema": "caplex.benchmarks/1", "benchmark": "x", "results": [], "curves": [{"name": "c", "x": "n", "points": [[1, 2]]}]}', "README"),
])
def test_what_is_no_result_is_a_sentence(tmp_path, text, words):
    file = tmp_path / "x.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Unusable, match=re.escape(words)) as error:
        read(file)
    assert str(file) in str(error.value)


# ── the history ───────────────────────────────────────────────────────────────────────────────────────


def entry(commit: str, **ratios: tuple[float, float, float]) -> Entry:
    return Entry("2026-11-21", commit, "3.11.8", ratios)


def test_ratios_alone_are_remembered(folder):
    measured = [read(folder / "decide.json"), read(folder / "peers.json")]
    found = history.entry_of(measured, date="2026-11-21", commit="abc", python="3.11.8")
    assert set(found.ratios) == {"decide: step / hand", "decide: other", "peers: peer / step"}
    assert set(found.to_dict()) == {"date", "commit", "python", "ratios"}


def test_a_commit_stands_once(tmp_path):
    file = tmp_path / "history.jsonl"
    history.append(file, entry("a", x=(1, 1, 1)))
    history.append(file, entry("b", x=(2, 2, 2), y=(5, 5, 5)))
    history.append(file, entry("b", x=(3, 3, 3)))
    found = history.read(file)
    assert [(each.commit, each.ratios) for each in found] == [("a", {"x": (1, 1, 1)}), ("b", {"x": (3, 3, 3), "y": (5, 5, 5)})]


@pytest.mark.parametrize("line", ["{", "[]", '{"date": "x"}', '{"date": "x", "commit": "c", "python": "3", "ratios": {"a": [1]}}'])
def test_a_damaged_history_names_its_line(tmp_path, line):
    file = tmp_path / "history.jsonl"
    file.write_text(json.dumps(entry("a", x=(1, 1, 1)).to_dict()) + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(Unusable, match=r"history\.jsonl:2 is no entry"):
        history.read(file)


@pytest.mark.parametrize(("now", "better", "worse", "regression"), [
    ((1.30, 1.25, 1.35), "lower", True, True), ((1.30, 1.25, 1.35), "higher", False, False), ((1.09, 1.06, 1.12), "lower", True, False),
    ((0.70, 0.65, 0.75), "lower", False, False), ((0.70, 0.65, 0.75), "higher", True, True), ((1.30, 1.25, 1.35), "", False, False)])
def test_what_is_outside_the_spread_has_moved(now, better, worse, regression):
    (move,) = history.compare(entry("b", x=now), [entry("a", x=(1.0, 0.95, 1.05))], {"x": better})
    assert (move.worse, move.regression) == (worse, regression)
    assert move.change == pytest.approx(now[0] - 1)


def test_spreads_that_touch_show_nothing():
    assert history.compare(entry("b", x=(1.30, 1.05, 1.5)), [entry("a", x=(1.0, 0.95, 1.05))], {"x": "lower"}) == []
    assert history.compare(entry("b", new=(1, 1, 1)), [entry("a", x=(1, 1, 1))], {"new": "lower"}) == []


def test_only_the_last_entries_count():
    old = [entry("old", x=(9, 8, 10))] + [entry(str(n), x=(1.0, 0.95, 1.05)) for n in range(history.LAST)]
    (move,) = history.compare(entry("b", x=(2, 1.9, 2.1)), old, {"x": "lower"})
    assert (move.before, move.regression) == (1.0, True)


def test_the_stored_history_can_be_read_and_names_no_machine():
    entries = history.read(ROOT / "benchmarks" / "history.jsonl")
    assert entries
    for each in entries:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", each.date)
        assert all(low <= middle <= high for middle, low, high in each.ratios.values())


# ── plots ─────────────────────────────────────────────────────────────────────────────────────────────


def test_margins():
    assert plots.margin(STEP) == pytest.approx((2 / 1.5, 2 / 1.6, 2 / 1.4))
    assert plots.margin(PEER) == pytest.approx((40 / 60, 35 / 60, 44 / 60))
    assert plots.margin(PLAIN) is None


def numbers(svg: str, pattern: str) -> list[float]:
    return [float(each) for each in re.findall(pattern, svg)]


def test_a_bar_goes_right_of_the_bound_when_it_is_kept():
    kept, missed = plots.budget_bar(STEP), plots.budget_bar(PEER)
    (bound,) = numbers(kept, r'class="bound" d="M([\d.]+)')
    assert numbers(kept, r'class="bar" x="([\d.]+)"') == [bound]
    (x,), (width,) = numbers(missed, r'class="bar" x="([\d.]+)"'), numbers(missed, r'class="bar" x="[\d.]+" y="[\d.]+" width="([\d.]+)"')
    assert x + width == pytest.approx(bound, abs=0.11)
    assert "0.67 times the budget" in missed
    assert plots.budget_bar(PLAIN) == ""


def test_a_bar_stays_on_its_axis():
    far = plots.budget_bar(Result("x", "ratio", 1e-6, 1e-7, 1e-5, 3, most=2.0))
    assert all(0 <= x <= 220 for x in numbers(far, r"[MH]([\d.]+)"))


def test_a_curve_shows_each_point_and_its_band():
    svg = plots.curve_plot(GROWS)
    assert svg.count('class="dot"') == 3
    xs = numbers(svg, r'class="dot" cx="([\d.]+)"')
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2)  # ten times more is the same step
    ys = numbers(svg, r'class="dot" cx="[\d.]+" cy="([\d.]+)"')
    assert ys == sorted(ys, reverse=True)
    assert plots.curve_plot(Curve("one", "n", [(1, 1, 1, 1)])) == ""


def test_a_sparkline_needs_two():
    assert plots.sparkline([1.0]) == ""
    assert "from 1 to 1.2" in plots.sparkline([1.0, 1.1, 1.2])


# ── the page and the command ──────────────────────────────────────────────────────────────────────────


class Page(HTMLParser):
    """Counts elements, and sees that each is closed."""

    VOID = frozenset({"meta", "br", "rect", "path", "circle"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.count: dict[str, int] = {}
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def tell(folder: Path, *arguments: str) -> tuple[int, str]:
    out = folder / "page.html"
    status = report.main(["--read", str(folder), "--only", "decide,peers", "--out", str(out), "--history", str(folder / "history.jsonl"),
                          "--commit", "abc", "--date", "2026-11-21", *arguments])
    return status, out.read_text(encoding="utf-8") if out.exists() else ""


def test_the_page_stands_alone(folder, capsys):
    status, text = tell(folder)
    page = Page(text)
    assert status == 0
    assert page.open == []
    assert page.links == []
    assert "<script" not in text
    assert "http" not in text
    assert page.count["svg"] == 3 + 1  # three budgets, one curve
    assert "absent &lt;b&gt;elsewhere&lt;/b&gt;" in text
    assert "2 of 3 budgets kept" in text
    assert "one engine is not installed" in text
    assert "prefers-color-scheme: dark" in text
    assert "missed  peers: peer / step: 40.0×, budget ≥ 60×" in capsys.readouterr().out


def test_the_history_is_written_and_compared(folder, capsys):
    assert tell(folder, "--append")[0] == 0
    write(str(folder / "decide.json"), "decide", [Result("step / hand", "ratio", 1.9, 1.85, 1.95, 9, most=2.0)])
    status, text = tell(folder, "--compare", "--commit", "def")
    assert status == 1
    assert "REGRESSION" in capsys.readouterr().out
    assert "decide: step / hand: 1.9, was 1.5 (+27%)" in text
    assert tell(folder, "--compare", "--commit", "def", "--tolerance", "0.5")[0] == 0
    assert tell(folder, "--commit", "def")[0] == 0


def test_a_miss_has_its_reason(folder, tmp_path, monkeypatch):
    (tmp_path / "misses.toml").write_text('[[miss]]\nname = "peers: peer / step"\nreason = "It is fast."\ntried = "Being faster."\n', encoding="utf-8")
    known = report.misses(tmp_path / "misses.toml")
    rows = report.rows_of([read(folder / "peers.json")], [], known)
    assert "**peers: peer / step**: It is fast. *Tried:* Being faster." in report.markdown(rows)
    assert "nobody has written down why" in report.markdown(report.rows_of([read(folder / "peers.json")], [], {}))
    (tmp_path / "misses.toml").write_text('[[miss]]\nname = "x"\n', encoding="utf-8")
    with pytest.raises(Unusable, match="each \\[\\[miss\\]\\] has name, reason, tried"):
        report.misses(tmp_path / "misses.toml")


def test_the_table_goes_between_its_marks(folder, tmp_path):
    file = tmp_path / "performance.md"
    file.write_text(f"before\n\n{report.BEGIN}\nold\n{report.END}\n\nafter\n", encoding="utf-8")
    assert tell(folder, "--markdown", str(file))[0] == 0
    text = file.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| `decide.py` | step / hand | ≤ 2× | 1.50× | 1.40× … 1.60× | kept |" in text
    assert "| `peers.py` | peer / step | ≥ 60× | 40.0× | 35.0× … 44.0× | **missed** |" in text
    file.write_text("no place", encoding="utf-8")
    assert tell(folder, "--markdown", str(file))[0] == 2


@pytest.mark.parametrize(("arguments", "words"), [
    (["--only", "none"], "no benchmark is named `none`"), (["--read", "nowhere"], "no results lie in"), (["--quick", "--append"], "a quick run is nothing to remember")])
def test_what_cannot_be_told_is_a_sentence(folder, capsys, arguments, words):
    assert tell(folder, *arguments)[0] == 2
    assert words in capsys.readouterr().err


def test_every_benchmark_is_known_to_the_report():
    aside = {"baseline", "results", "history", "plots", "report", "peers_rules"}
    scripts = {file.stem for file in (ROOT / "benchmarks").glob("*.py")} - aside
    assert scripts <= set(report.BENCHMARKS)


def test_each_miss_that_is_explained_is_of_a_benchmark():
    known = report.misses(ROOT / "benchmarks" / "misses.toml")
    assert known
    assert {name.partition(": ")[0] for name in known} <= set(report.BENCHMARKS)
