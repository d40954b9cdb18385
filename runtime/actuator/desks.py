"""Who is asked, and who is told: an engine that keeps state and journal, or a policy over facts that the host brings."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from caplex.runtime.actuator.asking import FORM
from caplex.runtime.actuator.result import SENT
from caplex.runtime.canonical import sha256
from caplex.runtime.engine.engine import Engine
from caplex.runtime.journal import read
from caplex.runtime.policy import Policy


@dataclass(slots=True)
class Interrupted:
    """An approved action without a result: the process ended in between.

    Attributes:
        told: The decision that approved it.
        sent: The exchange was about to be called.
        reply: The event that its answer became.
    """

    told: Mapping[str, Any]
    sent: bool = False
    reply: Mapping[str, Any] | None = None


class Desk(Protocol):
    """What the actuator asks and tells."""

    def known(self, intent_id: str) -> bool:
        """Whether an action of this id was before the gates already."""

    def ask(self, intent: Mapping[str, Any]) -> Mapping[str, Any]:
        """The decision on *intent*, as a document. Raises EventError if the question itself cannot be read."""

    def tell(self, event: Mapping[str, Any]) -> None:
        """Something was done. Raises JournalError if it cannot be written down."""

    def interrupted(self) -> list[Interrupted]:
        """Approved actions that have no result, in their order."""


class EngineDesk:
    """An engine. Ids, rooms, pauses and windows survive a restart, because its journal does."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def known(self, intent_id: str) -> bool:
        return self.engine.decision(intent_id) is not None

    def ask(self, intent: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.engine.submit(intent).to_dict()

    def tell(self, event: Mapping[str, Any]) -> None:
        self.engine.apply(event)

    def interrupted(self) -> list[Interrupted]:
        journal = self.engine._journal
        if journal is None:
            return []
        open_: dict[str, Interrupted] = {}
        for kind, body in ((record.kind, record.body) for record in read(journal.path, skip_torn=True)):
            if kind == "decision":
                name = str(body.get("intent_id"))
                intent = body.get("intent")
                ours = isinstance(intent, Mapping) and "action_id" in intent and not name.startswith(FORM)
                if ours and body.get("order") is not None and body.get("repeat_of") is None:
                    open_[name] = Interrupted(body)
            elif kind == "event" and body.get("intent_id") in open_:
                self._follow(open_, body)
        return list(open_.values())

    @staticmethod
    def _follow(open_: dict[str, Interrupted], body: Mapping[str, Any]) -> None:
        name = str(body["intent_id"])
        if body["type"] == "result" and body["result"] == SENT:
            open_[name].sent = True
        elif body["type"] == "result":
            del open_[name]
        elif body.get("id") == f"{name}-reply":
            open_[name].reply = body


class FactsDesk:
    """A policy over facts that the host brings for each question. What it remembers ends with the process.

    Args:
        facts: From an intent to a document; results that were told here are added to its history.
    """

    def __init__(self, policy: Policy, facts: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        self.policy, self._facts = policy, facts
        self.events: list[Mapping[str, Any]] = []
        self._known: set[str] = set()

    def known(self, intent_id: str) -> bool:
        return intent_id in self._known

    def ask(self, intent: Mapping[str, Any]) -> Mapping[str, Any]:
        if not str(intent["id"]).startswith(FORM):
            self._known.add(str(intent["id"]))
        document = dict(self._facts(intent))
        history = document.get("history")
        if isinstance(history, Mapping):
            document["history"] = {**history, "events": [*history.get("events", ()), *self._results()]}
        told = self.policy.decide({**document, "intent": {name: value for name, value in intent.items() if name != "at"}}).to_dict()
        name = sha256([self.policy.hash, self.policy.settings_hash, intent["id"], told["verdict"], len(self.events)])
        return {**told, "decision_id": told.get("decision_id") or "d-" + name.removeprefix("sha256:")[:16]}

    def _results(self) -> Iterator[Mapping[str, Any]]:
        return (event for event in self.events if event["type"] == "result")

    def tell(self, event: Mapping[str, Any]) -> None:
        self.events.append(event)

    def interrupted(self) -> list[Interrupted]:
        return []
