"""DOT, Mermaid and text: every rule, every edge, and no text that could be read as syntax."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from gallery import HOSTILE, pictures

from caplex.compiler.tools.diagram.dot import quoted
from caplex.compiler.tools.diagram.mermaid import plain, spoken
from caplex.runtime.report.cells import cells

NAMES = sorted(pictures())
GOLDEN = Path(__file__).parent / "golden"


def bare(text: str) -> str:
    """*text* with the entity codes of Mermaid read back."""
    return re.sub(r"#(\d+);", lambda found: chr(int(found.group(1))), text)


@pytest.mark.parametrize(("name", "kind"), [("quickstart", "dot"), ("quickstart", "mermaid"), ("6-kill-switch", "mermaid"), ("6-kill-switch", "dot"),
                                            ("switches", "mermaid"), ("6-kill-switch", "text"), ("quickstart", "text")])
def test_as_it_was(name, kind):
    """`golden/…` is what the tool wrote when somebody looked at it; CAPLEX_WRITE_GOLDENS=1 writes it anew, to be looked at again."""
    suffix = {"dot": "dot", "mermaid": "mmd", "text": "txt"}[kind]
    golden = GOLDEN / f"{name}.{suffix}"
    drawn = getattr(pictures()[name], kind)()
    if os.environ.get("CAPLEX_WRITE_GOLDENS"):
        golden.write_text(drawn, encoding="utf-8")
    assert drawn == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_every_shown_rule_is_in_each(name):
    diagram = pictures()[name]
    shown = {row.id for stage in diagram.stages for row in diagram.told(stage)[0]} | {row.id for row in diagram.sizes}
    for text in (diagram.dot(), bare(diagram.mermaid()), diagram.text()):
        assert [row for row in sorted(shown) if row not in text] == []


# ── DOT ───────────────────────────────────────────────────────────────────────────────────────────────


def test_dot_has_one_edge_for_each_step_and_the_decision():
    text = pictures()["4-loss-stop"].dot()
    assert "  stage1 -> stage2\n" in text
    assert re.search(r'stage4:r0e:e -> outcome:e \[label="  decides"', text)
    trips = pictures()["policygate"].dot()
    assert re.search(r"stage3:r1:w -> stage2:r1:w \[label=\"trips\", style=dashed", trips)
    assert 'label="  judged only if something is left"' in trips
    assert trips.count("subgraph cluster_switch") == 2


def test_dot_escapes():
    text = pictures()["hostile"].dot()
    assert "&quot;&lt;&amp;&gt;]]&gt;\\|;#35;{x}--%%`$(1)" in text
    assert quoted('a"b\\n') == '"a\\"b\\\\n"'
    inside = re.findall(r"<FONT[^>]*>(?:<B>)?([^<]*)", text)
    assert inside
    assert all(not re.search(r'&(?!amp;|lt;|gt;|quot;)|"', said) for said in inside)


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_graphviz_takes_it(name):
    done = subprocess.run(["dot", "-Tsvg"], input=pictures()[name].dot(), capture_output=True, text=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")


# ── Mermaid ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
def test_mermaid_lines_are_of_known_shape(name):
    """Not a parser: enough to see a text that got out of its quotes."""
    node = r"(subject|sizes|outcome|stage\d+|armed\d+|tripped\d+|switch\d+)"
    text = r'"[^"]*"'
    shapes = [
        r"flowchart TD", r'%%\{init: \{"flowchart": \{"wrappingWidth": \d+\}\}\}%%', r"accTitle: ([^#;]|#\d+;)*", rf'{node}\[{text}\]:::\w+', rf'{node}\(\[{text}\]\):::\w+',
        rf"{node} (-- {text} )?--> {node}", rf"{node} -\. {text} \.-> {node}", rf"{node} == {text} ==> {node}", rf'subgraph {node}\[{text}\]', r"end",
        r"linkStyle \d+ [\w#:,-]+", r"style \w+ [\w#:,-]+", r"classDef \w+ [\w#:,-]+", r"stateDiagram-v2", rf"state {text} as {node}( \{{)?", r"\[\*\] --> armed\d+",
        rf"{node} --> {node} : [^:\n]*", r"\}",
    ]
    for line in pictures()[name].mermaid().splitlines():
        assert any(re.fullmatch(shape, line.strip()) for shape in shapes), line


@pytest.mark.parametrize("name", [name for name in NAMES if name != "switches"])
def test_link_styles_count_links(name):
    """Mermaid numbers links in the order of the text; a wrong number colours the wrong line, and one too high is an error."""
    links, styled = [], {}
    for line in pictures()[name].mermaid().splitlines():
        if re.search(r'(-->|\.->|==>) \w+$', line):
            links.append(line)
        if found := re.match(r"  linkStyle (\d+) ", line):
            styled[int(found.group(1))] = line
    special = [number for number, line in enumerate(links) if ".->" in line or "==>" in line]
    assert sorted(styled) == special


def test_mermaid_writes_syntax_as_entities():
    assert plain('a "b" <c> #d; [e] {f} |g| `h`') == (
        "a #34;b#34; #60;c#62; #35;d#59; #91;e#93; #123;f#125; #124;g#124; #96;h#96;")
    assert plain("10% of equity, 2x: (a + b) / c") == "10% of equity, 2x: (a + b) / c"
    assert "--" not in plain("a --> b")
    assert "%%" not in plain("%% comment")
    assert spoken("at 21:05") == "at 21#58;05"
    assert bare(plain(HOSTILE)) == HOSTILE
    assert plain("Größe 漢字") == "Größe 漢字"


def test_the_switches_alone_are_a_state_diagram():
    text = pictures()["switches"].mermaid()
    assert text.startswith("stateDiagram-v2\n")
    assert "armed1 --> tripped1 : when LOSS-002 violated" in text
    assert "tripped1 --> armed1" not in text  # never armed again
    assert "never armed again" in text


# ── text ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("width", [20, 60, 80, 100, 200])
@pytest.mark.parametrize("name", NAMES)
def test_no_line_is_longer_than_the_terminal(name, width):
    lines = pictures()[name].text(width).splitlines()
    assert all(cells(line) <= max(width, 60) for line in lines)
    assert all(line == line.rstrip() for line in lines)
    edges = {cells(line) for line in lines if line.startswith(("│", "┌", "└"))}
    assert len(edges) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_colour_changes_no_letter(name):
    diagram = pictures()[name]
    assert re.sub(r"\x1b\[[0-9;]*m", "", diagram.text(100, colour=True)) == diagram.text(100)


def test_text_shows_what_decides():
    text = pictures()["4-loss-stop"].text()
    assert next(line for line in text.splitlines() if "◀ decides" in line).startswith("│ ✗ LOSS-010")
    assert "\x1b[1;31mDENY\x1b[0m" in pictures()["4-loss-stop"].text(colour=True)


def test_a_notebook_shows_the_picture():
    diagram = pictures()["2-trimmed"]
    assert diagram._repr_svg_() == diagram.svg()
    assert str(diagram) == diagram.text()
    assert repr(diagram).startswith("<Diagram MODIFY buy 700 AAPL by EXP-010 under quickstart_desk 1.0.0")
