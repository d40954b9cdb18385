"""A kill switch as a machine of two states: what trips it above, what arms it again below."""
from __future__ import annotations

from typing import Final

from caplex.compiler.tools.diagram.measure import fit, width, wrap
from caplex.compiler.tools.diagram.model import Switch
from caplex.compiler.tools.diagram.shapes import Box, Group, Line, Words

_LINE: Final = 15
_SMALL: Final = 11
_PILL: Final = 96
_PAD: Final = 20
_DUTIES: Final = 200


def sentence(switch: Switch) -> str:
    """``for account, denies opening while tripped``."""
    return ", ".join(part for part in (f"for {switch.scope}" if switch.scope else "", f"denies {switch.denies} while tripped") if part)


def rearmed(switch: Switch) -> tuple[str, ...]:
    if not switch.rearm:
        return ("never armed again",)
    return (*(f"and {term}" if number else term for number, term in enumerate(switch.rearm)), *(f"then {act}" for act in switch.on_rearm))


def tripping(switch: Switch) -> tuple[str, ...]:
    return switch.trips or ("only by hand",)


def tripped_words(switch: Switch) -> tuple[str, ...]:
    """What stands in the state, where it is drawn as a node."""
    return ("tripped", *switch.duties, *(() if switch.rearm else rearmed(switch)))


def place(switch: Switch, left: int, top: int, room: int) -> tuple[list[Box | Group], int]:
    """Shapes, and the height of the card."""
    from_x, to_x = left + _PAD + _PILL, left + room - _PAD - _DUTIES
    middle = (from_x + to_x) // 2
    wide = to_x - from_x - 24
    trips = [(line, index) for index, trip in enumerate(tripping(switch)) for line in wrap(trip, wide, _SMALL, 3)]
    up = top + 44 + _LINE * len(trips)
    down = up + 18
    shapes: list[Box | Words | Line] = []
    head = fit(" ".join(part for part in (switch.id, switch.title) if part), room // 2, 13, bold=True)
    shapes.append(Words(left + _PAD, top + 22, head, "ink", 13, bold=True))
    said = fit(sentence(switch), room - 2 * _PAD - width(head, 13, bold=True) - 16, _SMALL)
    shapes.append(Words(left + room - _PAD, top + 22, said, "soft", _SMALL, anchor="end"))
    for number, (line, index) in enumerate(trips):
        now = index == switch.clause
        shapes.append(Words(middle, top + 50 + _LINE * number, line, "bad" if now else "ink", _SMALL, bold=False, anchor="middle"))
    going = "bad-line strong" if switch.state == "trips now" else "bad-line"
    shapes.append(Line(((from_x + 4, up), (to_x - 4, up)), going, head=True))
    terms = [line for term in rearmed(switch) for line in wrap(term, wide, _SMALL, 3)]
    if switch.rearm:
        shapes.append(Line(((to_x - 4, down), (from_x + 4, down)), "good-line", head=True))
    for number, line in enumerate(terms):
        shapes.append(Words(middle, down + 17 + _LINE * number, line, "ink" if switch.rearm else "soft", _SMALL, anchor="middle"))
    duties = [line for duty in switch.duties for line in wrap(duty, _DUTIES, _SMALL, 2)]
    tripped = switch.state in ("tripped", "trips now", "unreadable")
    for x, word, on in ((from_x - _PILL, "armed", not tripped), (to_x, "tripped", tripped)):
        tone = "good" if word == "armed" else "bad"
        full = switch.state is not None and on
        word = "trips now" if full and switch.state == "trips now" else "unreadable" if full and switch.state == "unreadable" else word
        shapes.append(Box(x, up - 14, _PILL, 46, f"{tone}-full" if full else f"{tone}-tint" if switch.state is None else "soft-tint", 23))
        shapes.append(Words(x + _PILL // 2, up + 14, word, "on" if full else tone if switch.state is None else "soft", 12, bold=True, anchor="middle"))
    for number, line in enumerate(duties):
        shapes.append(Words(to_x, down + 32 + _LINE * number, line, "soft", _SMALL))
    end = max(down + 17 + _LINE * len(terms), down + 32 + _LINE * len(duties), down + 22)
    about = f"{switch.id}: {sentence(switch)}; trips " + "; ".join(tripping(switch)) + "; armed again " + ", ".join(rearmed(switch))
    kind = {"tripped": "bad-card", "trips now": "bad-card", "unreadable": "bad-card"}.get(switch.state or "", "card")
    tall = end - top + 4
    return [Box(left, top, room, tall, kind, 10), Group(about, tuple(shapes))], tall
