"""What a reason says where its rule has no `because`, and what a reading that could not be used says of itself."""
from __future__ import annotations

from caplex.runtime.canonical import plain
from caplex.runtime.ruling import Reason, Ruling, Verdict
from caplex.runtime.texts import WORDS, cut, human_pair
from caplex.runtime.values import Leaf


def default_message(reason: Reason, ruling: Ruling, currency: str = "USD", *, sized: bool = False) -> str:
    """One sentence. *sized*: the rule measures what the order would lead to, not what is already so."""
    name = reason.title or reason.rule
    match reason.kind:
        case "system":
            return cut(_system(reason, ruling))
        case "size":
            return cut(_size(reason, name))
        case "switch":
            return cut(f"{name} is tripped: nothing may " + ("be opened" if reason.effect == "deny opening" else "go ahead"))
    if reason.observed is None or reason.comparison is None:
        return cut(_bare(reason, name))
    observed, limit = human_pair(reason.observed, reason.limit, reason.unit, currency)
    bound = f"{WORDS.get(reason.comparison, reason.comparison)} {limit}"
    match reason.kind:
        case "throttle":
            said = f"{name}: {observed} in the window already; must stay {bound}"
        case "cooldown":
            said = f"{name}: {observed} since the last one; {limit} must pass"
        case _ if sized:
            said = f"{name}: would be {observed}; {bound} is allowed"
        case _:
            said = f"{name}: {observed}; must be {bound}"
    return cut(said + _needs(reason))


def _bare(reason: Reason, name: str) -> str:
    said = {"deny opening": "nothing may be opened", "reduce": f"at most {plain(reason.permitted)} may go ahead"}.get(reason.effect, "not allowed")
    return f"{name}: needs approval" + _needs(reason, ",") if reason.effect == "hold" else f"{name}: {said}"


def _needs(reason: Reason, joint: str = "; needs approval") -> str:
    if reason.approval is None:
        return ""
    people = f"{reason.approval.quorum} of " if reason.approval.quorum > 1 else ""
    return f"{joint} by {people}{reason.approval.role}"


def _size(reason: Reason, name: str) -> str:
    if reason.effect == "deny":
        return f"{name}: what may be opened is below the smallest ticket"
    return f"{name}: allows {plain(reason.permitted)}"


def _system(reason: Reason, ruling: Ruling) -> str:
    told = "; ".join(tell_leaf(leaf) for leaf in reason.leaves[:5])
    match reason.rule:
        case "SYS-010":
            return "the policy is not in effect"
        case "SYS-009" if reason.permitted is not None:
            return "the journal cannot be written: only closing may go ahead, and the books have to be reconciled afterwards"
        case "SYS-009":
            return "the journal cannot be written, so nothing may be approved"
        case "SYS-011":
            return "the id was used before with other content; an id is spent once"
        case "SYS-014":
            return "the books do not fit the venue's: only closing may go ahead until an operator reconciles"
        case "SYS-012" if any(leaf.problem == "over-close" for leaf in reason.leaves):
            return f"only {plain(ruling.closing)} can be closed; more would open the other side"
        case "SYS-012" if ruling.verdict is Verdict.DENY:
            return "nothing is left after rounding down to what can be traded"
        case "SYS-012":
            return f"rounded down to {plain(reason.permitted)}, the largest size that can be traded"
    return told or f"{reason.rule}: the facts cannot be used"


def tell_leaf(leaf: Leaf) -> str:
    """One unusable reading in words, with its place."""
    path, saw, want = leaf.path or "a divisor", leaf.observed, leaf.limit
    match leaf.problem:
        case "missing":
            return f"{path} is missing" + (f": {want}" if want else "")
        case "unknown-key":
            return f"{path} is unknown" + (f"; did you mean {want}?" if want else "")
        case "duplicate-key":
            return f"{path} stands there twice" + (f": {want}" if want else "")
        case "duplicate-row":
            return f"{path} is a second row for one key; {want.removeprefix('one row; ')}"
        case "ambiguous":
            return f"{path} has {saw}: give {want}"
        case "stale":
            return f"{path} is {saw} old; at most {want}"
        case "from-the-future":
            return f"{path} is {saw}; at most {want}"
        case "out-of-range":
            return f"{path} is {saw}; must be {want}"
        case "not-a-decimal":
            return f"{path} is {saw}, not {want}"
        case "wrong-type":
            return f"{path} is {saw}; wanted {want}"
        case "divisor":
            return f"{path} is {saw}; a divisor must be above 0"
        case "incomplete":
            return f"{path}: the history reaches back to {saw or 'no stated time'}; needed from {want}"
        case "unreadable":
            return f"{path} is {saw or 'not readable'}; wanted {want}"
        case "currency":
            return f"{path}: no rate from {saw} to {want}"
        case "nothing-to-close":
            return "there is no position to close"
        case problem:
            return f"{path}: {problem.replace('-', ' ')}" + (f", {saw}" if saw else "")


CODES = {
    "missing": "CAP902", "stale": "CAP903", "from-the-future": "CAP904", "out-of-range": "CAP905", "nothing-to-close": "CAP905",
    "not-a-decimal": "CAP906", "wrong-type": "CAP907", "incomplete": "CAP908", "unknown-key": "CAP901", "divisor": "CAP922",
    "unreadable": "CAP923", "currency": "CAP924", "duplicate-key": "CAP911", "duplicate-row": "CAP911", "ambiguous": "CAP925",
    "nothing-to-aggregate": "CAP902",
}
_BY_SYS = {"SYS-001": "CAP902", "SYS-002": "CAP903", "SYS-003": "CAP904", "SYS-004": "CAP905", "SYS-005": "CAP906", "SYS-006": "CAP922",
           "SYS-007": "CAP908", "SYS-008": "CAP923", "SYS-013": "CAP924"}


def data_code(leaf: Leaf) -> str | None:
    """Code of family 9xx for *leaf*; None if nothing is wrong with the data (out of effect, snapped)."""
    if leaf.sys not in _BY_SYS:
        return None
    return _BY_SYS["SYS-008"] if leaf.sys == "SYS-008" else CODES.get(leaf.problem, _BY_SYS[leaf.sys])
