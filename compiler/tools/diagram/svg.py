"""A drawing as SVG: valid XML, no script, nothing from outside; light, and dark where the reader prefers it."""
from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape, quoteattr

from caplex.compiler.tools.diagram import measure
from caplex.compiler.tools.diagram.layout import draw
from caplex.compiler.tools.diagram.machines import place, sentence
from caplex.compiler.tools.diagram.model import Diagram, Switch
from caplex.compiler.tools.diagram.shapes import Box, Drawing, Group, Line, Shape, Words

# Name: light, dark. Text is legible on `page`, on `card` and on the tint of its own name; a test measures it.
COLOURS: Final = {
    "page": ("#ffffff", "#0e131a"), "card": ("#f8fafc", "#161d27"), "edge": ("#cfd7e2", "#334051"), "ink": ("#18212d", "#e4eaf2"),
    "soft": ("#536072", "#9fadbf"), "line": ("#8593a6", "#76859a"),
    "good": ("#17693f", "#6cd79a"), "bad": ("#b3221b", "#ff9a8f"), "warn": ("#855300", "#f2bd5c"), "trip": ("#6538b8", "#bda4f7"),
    "info": ("#2456b8", "#8fb6ff"),
    "good-tint": ("#e3f4ea", "#14301f"), "bad-tint": ("#fce8e6", "#3b1a1a"), "warn-tint": ("#fcf0d6", "#35280f"),
    "trip-tint": ("#f0e9fc", "#2a2142"), "info-tint": ("#e7eefb", "#182a4a"), "soft-tint": ("#edf1f6", "#222c39"),
    "good-full": ("#17693f", "#1d6b43"), "bad-full": ("#b3221b", "#a62a22"), "warn-full": ("#9a6100", "#8a5a08"), "soft-full": ("#3d4a5c", "#3b485a"),
    "on-full": ("#ffffff", "#ffffff"),
}
TONES: Final = ("good", "bad", "warn", "trip", "info", "soft")
_CORNER: Final = 8
MACHINE: Final = 700
"""How wide a switch is drawn inside a page."""


def svg(diagram: Diagram) -> str:
    return write(draw(diagram))


def write(drawing: Drawing) -> str:
    """The text of the file."""
    size = f"0 0 {drawing.width} {drawing.height}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" width="{drawing.width}" height="{drawing.height}" role="img" aria-labelledby="t d">',
        f'<title id="t">{escape(drawing.title)}</title>',
        f'<desc id="d">{escape(drawing.about)}</desc>',
        f"<style>{_style()}</style>",
        f'<rect class="page" width="{drawing.width}" height="{drawing.height}" rx="10"/>',
        *map(_shape, drawing.shapes),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def machine(switch: Switch, ident: str) -> str:
    """One kill switch as a drawing to stand inside a page that brings `style`; *ident* is its own in that page."""
    boxes, tall = place(switch, 1, 1, MACHINE)
    about = sentence(switch)
    return "\n".join([
        f'<svg viewBox="0 0 {MACHINE + 2} {tall + 2}" width="{MACHINE + 2}" height="{tall + 2}" role="img" aria-labelledby={quoteattr(f"{ident}-t {ident}-d")}>',
        f"<title id={quoteattr(ident + '-t')}>{escape(f'{switch.id} {switch.title}'.strip())}</title>",
        f"<desc id={quoteattr(ident + '-d')}>{escape(about)}</desc>",
        *map(_shape, boxes), "</svg>"]) + "\n"


def style(within: str) -> str:
    """Rules for drawings below the selector *within*: light, dark where the reader prefers it, light on paper."""
    def scoped(rules: list[str]) -> str:
        return "\n".join(f"{within} {rule}" for rule in rules)

    return f"{scoped(_plain())}\n{scoped(_coloured(0))}\n@media screen and (prefers-color-scheme: dark) {{\n{scoped(_coloured(1))}\n}}\n"


def _style() -> str:
    return "\n" + "\n".join([*_plain(), *_coloured(0), "@media (prefers-color-scheme: dark){", *_coloured(1), "}"]) + "\n"


def _plain() -> list[str]:
    font = ", ".join(quoted if " " not in quoted else f"'{quoted}'" for quoted in measure.FONT.split(", "))
    return [f"text{{font-family:{font};white-space:pre}}", ".b{font-weight:700}", "path{fill:none;stroke-width:1.5}", ".dash{stroke-dasharray:5 4}",
            ".strong{stroke-width:2.5}"]


def _coloured(which: int) -> list[str]:
    colour = {name: pair[which] for name, pair in COLOURS.items()}
    rules = [f".page{{fill:{colour['page']}}}", f".card{{fill:{colour['card']};stroke:{colour['edge']}}}", f".ink{{fill:{colour['ink']}}}",
             f".on{{fill:{colour['on-full']}}}", f".way{{stroke:{colour['line']}}}", f".wayhead{{fill:{colour['line']}}}",
             f".rule{{stroke:{colour['edge']};stroke-width:1}}"]
    for tone in TONES:
        rules.append(f".{tone}{{fill:{colour[tone]}}}")
        rules.append(f".{tone}-tint{{fill:{colour[tone + '-tint']}}}")
        rules.append(f".{tone}-card{{fill:{colour['card']};stroke:{colour[tone]};stroke-width:1.5}}")
        rules.append(f".{tone}-line{{stroke:{colour[tone]}}}")
        if f"{tone}-full" in colour:
            rules.append(f".{tone}-full{{fill:{colour[tone + '-full']}}}")
    return rules


def _shape(shape: Shape) -> str:
    match shape:
        case Group(title=title, shapes=shapes):
            return f"<g><title>{escape(title)}</title>" + "".join(map(_shape, shapes)) + "</g>"
        case Box(x=x, y=y, width=width, height=height, kind=kind, round=corner):
            return f'<rect class={quoteattr(kind)} x="{x}" y="{y}" width="{width}" height="{height}" rx="{corner}"/>'
        case Words():
            return _words(shape)
        case Line():
            return _line(shape)


def _words(words: Words) -> str:
    kind = words.kind + " b" * words.bold
    anchor = "" if words.anchor == "start" else f' text-anchor="{words.anchor}"'
    turned = f' transform="rotate(-90 {words.x} {words.y})"' if words.turned else ""
    return f'<text class={quoteattr(kind)} x="{words.x}" y="{words.y}" font-size="{words.size}"{anchor}{turned}>{escape(words.text)}</text>'


def _line(line: Line) -> str:
    points = line.points
    drawn = f'<path class={quoteattr(line.kind)} d="{_path(points)}"/>'
    if not line.head:
        return drawn
    tone = "wayhead" if line.kind.startswith("way") else line.kind.split(" ")[0].removesuffix("-line")
    (x0, y0), (x, y) = points[-2], points[-1]
    across = x != x0
    step = 8 if (x > x0 if across else y > y0) else -8
    wings = f"{x - step},{y - 5} {x - step},{y + 5}" if across else f"{x - 5},{y - step} {x + 5},{y - step}"
    return f'{drawn}<polygon class="{tone}" points="{x},{y} {wings}"/>'


def _path(points: tuple[tuple[int, int], ...]) -> str:
    """Straight along the axes, corners rounded."""
    (x, y), *rest = points
    said = [f"M{x} {y}"]
    for index, (to_x, to_y) in enumerate(rest):
        if index + 1 == len(rest):
            said.append(f"L{to_x} {to_y}")
            break
        next_x, next_y = rest[index + 1]
        said.append(f"L{_before(x, to_x)} {_before(y, to_y)}")
        said.append(f"Q{to_x} {to_y} {_after(to_x, next_x)} {_after(to_y, next_y)}")
        x, y = to_x, to_y
    return "".join(said)


def _before(was: int, corner: int) -> int:
    return corner - max(-_CORNER, min(_CORNER, corner - was))


def _after(corner: int, then: int) -> int:
    return corner + max(-_CORNER, min(_CORNER, then - corner))
