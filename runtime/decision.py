"""The decision: verdict and quantity at once, everything else when it is asked for."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from caplex.runtime import telling
from caplex.runtime.canonical import from_scaled, to_decimal
from caplex.runtime.clock import parse_instant
from caplex.runtime.errors import NotPermitted, StaleDecision
from caplex.runtime.ruling import Ruling, Verdict

if TYPE_CHECKING:
    from caplex.runtime.explain import Explanation
    from caplex.runtime.remedy import Remedies

Core = tuple[int, int, int]
"""From the fused form: permitted quantity in 1e-8, mask of broken rules, mask of rules that fail at the smaller size."""
PLACES = 8
_ALLOW = Verdict.ALLOW
_new = object.__new__
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Told(Mapping[str, Any]):
    """A part of a decision document, read by key or by attribute: ``reason.rule``, ``reason["rule"]``."""

    __slots__ = ("_data",)

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return _wrapped(self._data[name])
        except KeyError:
            raise AttributeError(f"nothing is called {name!r} here; there are {', '.join(self._data)}") from None

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        return f"Told({dict(self._data)!r})"


def _wrapped(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Told(value)
    return tuple(map(_wrapped, value)) if isinstance(value, list) else value


class FirstReason:
    """The first reason: its rule at once, the rest when asked for.

    It holds the bound facts and not the decision, which holds it: a cycle would leave work for the garbage collector.
    """

    __slots__ = ("_bound", "rule")

    _bound: Any
    rule: str
    """Its id; ``SYS-NNN`` where data were the reason."""

    @property
    def _whole(self) -> Any:
        return self._bound.policy.decide(self._bound.facts).reasons[0]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._whole, name)

    def __getitem__(self, key: str) -> Any:
        return self._whole[key]

    def __repr__(self) -> str:
        return f"<reason {self.rule}>"


def first_reason(bound: Any, rule: str) -> FirstReason:
    """Made without a constructor, which would cost as much as a rule."""
    reason: FirstReason = _new(FirstReason)
    reason._bound, reason.rule = bound, rule
    return reason


class Decision:
    """What one policy answers to one intent. Made by `Policy.decide`; never a yes or a no by itself.

    *core* is what the fused form found, or None where the traced form has to answer.
    """

    __slots__ = ("__weakref__", "_bound", "_core", "_full", "_told", "quantity", "reason", "verdict")

    _bound: Any
    _core: Core | None
    _full: tuple[Ruling, Any]
    _told: dict[str, Any]
    verdict: Verdict
    quantity: Decimal
    """What may go ahead now, on the lot grid."""
    reason: FirstReason | Told | None
    """The first reason; None on ALLOW."""

    @classmethod
    def from_ruling(cls, bound: Any, ruling: Ruling, case: Any = None) -> Decision:
        """A decision on a finished ruling; *bound* knows the policy and the facts."""
        decision: Decision = _new(cls)
        decision._bound, decision._core, decision._full = bound, None, (ruling, case)
        decision.verdict, decision.quantity = ruling.verdict, to_decimal(ruling.quantity)
        decision.reason = None if ruling.decided_by is None else first_reason(bound, ruling.decided_by)
        return decision

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Self:
        """A decision read back from its document; it tells the same, and cannot be explained rule by rule."""
        decision = cls.__new__(cls)
        decision._bound = decision._core = None
        decision._told = dict(d)
        decision.verdict, decision.quantity = Verdict(d["verdict"]), Decimal(d["quantity"])
        decision.reason = Told(d["reasons"][0]) if d.get("reasons") else None
        return decision

    def __bool__(self) -> bool:
        raise TypeError("a decision is not a yes; use .permits or .verdict")

    def __repr__(self) -> str:
        asked = "" if self.requested is None else f" of {self.requested}"
        by = f" by {self.decided_by}" if self.decided_by else ""
        return f"<Decision {self.verdict.value} {self.quantity}{asked}{by}>"

    def __reduce__(self) -> tuple[Any, tuple[dict[str, Any]]]:
        return type(self).from_dict, (self.to_dict(),)

    # ── at once ──────────────────────────────────────────────────────────────────────────────────────

    @property
    def requested(self) -> Decimal | None:
        if self._core is not None:
            return from_scaled(self._bound.ints[0], PLACES)
        if self._policy is None:
            asked = self.to_dict().get("requested")
            return None if asked is None else Decimal(asked)
        return None if self.ruling.requested is None else to_decimal(self.ruling.requested)

    @property
    def decided_by(self) -> str | None:
        """Id of the first reason; None where everything is allowed."""
        core = self._core
        if core is not None:
            mask = core[1] | core[2]
            if mask > 0:
                return self._bound.names[(mask & -mask).bit_length() - 1]  # type: ignore[no-any-return]
            if mask < 0:  # the first rule could not read its one value
                return min(self._bound.slots[-1 - mask].leaves).sys  # type: ignore[no-any-return]
            if self.verdict is _ALLOW:
                return None
        return self.to_dict()["decided_by"] if self._policy is None else self.ruling.decided_by

    @property
    def permits(self) -> bool:
        """ALLOW or MODIFY: something may go ahead."""
        return self.verdict in (Verdict.ALLOW, Verdict.MODIFY)

    # ── when asked for ───────────────────────────────────────────────────────────────────────────────

    @property
    def _policy(self) -> Any:
        return None if self._bound is None else self._bound.policy

    def _whole(self) -> tuple[Ruling, Any]:
        """The ruling and the case behind it, judged when first asked for."""
        try:
            return self._full
        except AttributeError:
            if self._bound is None:
                raise TypeError("a decision read back from its document has no ruling; decide again") from None
            self._full = self._bound.policy.judge(self._bound)
            return self._full

    @property
    def ruling(self) -> Ruling:
        """The whole answer as exact data."""
        return self._whole()[0]

    def to_dict(self) -> dict[str, Any]:
        """``caplex.decision/1``: texts, truth, null, lists and objects only. A copy at the top, so that hosts may add to it."""
        try:
            return dict(self._told)
        except AttributeError:
            bound = self._bound
            self._told = telling.tell(bound.policy, bound.facts, bound, *self._whole())
            return dict(self._told)

    def _part(self, name: str) -> Any:
        return _wrapped(self.to_dict().get(name) or [])

    @property
    def reasons(self) -> Sequence[Any]:
        return self._part("reasons")  # type: ignore[no-any-return]

    @property
    def warnings(self) -> Sequence[Any]:
        return self._part("warnings")  # type: ignore[no-any-return]

    @property
    def monitored(self) -> Sequence[Any]:
        return self._part("monitored")  # type: ignore[no-any-return]

    @property
    def shadows(self) -> Sequence[Any]:
        return self._part("shadows")  # type: ignore[no-any-return]

    @property
    def obligations(self) -> Sequence[Any]:
        return self._part("obligations")  # type: ignore[no-any-return]

    @property
    def tripped(self) -> Sequence[Any]:
        return self._part("tripped")  # type: ignore[no-any-return]

    @property
    def errors(self) -> Sequence[Any]:
        """What is wrong with the data, by place."""
        return self._part("errors")  # type: ignore[no-any-return]

    @property
    def violated(self) -> Sequence[str]:
        """Ids of the rules not kept at the whole intent, monitored ones too."""
        return tuple(self._part("violated")) if self._policy is None else self.ruling.violated

    @property
    def emitted(self) -> Sequence[str]:
        return tuple(self._part("emitted")) if self._policy is None else self.ruling.emitted

    @property
    def code(self) -> str | None:
        return self.to_dict().get("code") if self._policy is None else self.ruling.code

    @property
    def outcome(self) -> str:
        return str(self.to_dict()["outcome"]) if self._policy is None else self.ruling.outcome or self.verdict.value

    @property
    def if_approved(self) -> Decimal | None:
        """What a HOLD permits once it is approved."""
        given = self.to_dict().get("if_approved")
        return None if given is None else Decimal(given)

    @property
    def repeat_of(self) -> str | None:
        return self.to_dict().get("repeat_of")

    @property
    def decision_id(self) -> str:
        return str(self.to_dict()["decision_id"])

    @property
    def valid_until(self) -> datetime | None:
        """When the intent expires; None if it says nothing."""
        given = self.to_dict().get("valid_until")
        return None if given is None else _EPOCH + timedelta(microseconds=parse_instant(given) // 1000)

    # ── acting on it ─────────────────────────────────────────────────────────────────────────────────

    def raise_if_denied(self) -> Self:
        """Itself, if something may go ahead. Raises NotPermitted."""
        if not self.permits:
            first = self.reasons[0] if self.reasons else None
            raise NotPermitted(f"{self.verdict.value}{f' by {first.rule}: {first.message}' if first is not None else ''}", diagnostics=self.errors)
        return self

    @property
    def order(self) -> dict[str, Any]:
        """What to send, with the permitted quantity.

        Raises:
            NotPermitted: DENY or HOLD, or a price of the order cannot be read.
            StaleDecision: the intent had expired when it was decided, or a trip has overtaken the decision since.
        """
        self.raise_if_denied()
        told = self.to_dict()
        if told.get("usable") is False or (told.get("valid_until") is not None and told["at"] is not None and told["valid_until"] <= told["at"]):
            raise StaleDecision("this decision is no longer valid: decide again")
        if told["order"] is None:
            raise NotPermitted("the order cannot be written out: one of its prices or flags cannot be read")
        return dict(told["order"])

    def explain(self) -> Explanation:
        """The decision told in full, rule by rule. What would make it pass is looked for when the explanation is asked for it."""
        from caplex.runtime import citing, tracing
        from caplex.runtime.explain import Explanation

        if self._policy is None:
            return Explanation(self.to_dict(), ())
        bound = self._bound
        ruling, case = self._whole()
        return Explanation(
            self.to_dict(), self._policy.traces(bound, ruling, case), currency=self._policy.currency,
            missing=tracing.absent(bound, self._policy.required_facts) if case is None else (), cite=lambda: citing.citations(bound.plan),
            find=self._remedies)

    def _remedies(self) -> Remedies:
        from caplex.runtime import remedies

        return remedies.find(self)

    def _repr_html_(self) -> str:
        return self.explain()._repr_html_()
