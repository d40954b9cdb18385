"""Allocations as plans: the traced form of their expressions, over slots of their own."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caplex.compiler.codegen.traced import Traced
from caplex.compiler.graph.allocations import AllocateNode
from caplex.compiler.graph.ir import RuleGraph
from caplex.runtime.plan import AllocationPlan, CutPlan, SettingPlan, TermPlan


class Sharing:
    """The functions of one allocation, named apart from all others; constants are those of *traced*."""

    def __init__(self, number: int, node: AllocateNode, traced: Traced) -> None:
        self.node = node
        self._prefix = f"allocation_{number}"
        self._traced = traced.over(node.graph)
        self._named: dict[int, str] = {}
        self.functions: list[str] = []
        self._write()

    def _write(self) -> None:
        node = self.node
        for number in (node.score, node.floor, node.ceiling, node.scale, node.freeze, node.threshold, *(each for _, each in node.fixed)):
            self._name(number)
        for term in node.terms:
            self._name(term.weight)
            self._name(term.value)
        for cut in node.cuts:
            for number in (cut.value, cut.low, cut.high):
                self._name(number)
        for index, slot in enumerate(node.graph.slots):
            if slot.fold is not None:
                self.functions.append(self._traced.fold(self._fold(index), slot.fold))

    def _fold(self, index: int) -> str:
        return f"{self._prefix}_slot_{index}"

    def _name(self, number: int | None) -> None:
        if number is not None and number not in self._named:
            self._named[number] = f"{self._prefix}_{number}"
            self.functions.append(self._traced.function(self._named[number], number))

    def plan(self, scope: dict[str, Any], setting: Callable[[RuleGraph, str], SettingPlan], source: str) -> AllocationPlan:
        """The plan, its callables taken from *scope*, into which the functions were linked."""
        node, graph = self.node, self.node.graph

        def find(number: int | None) -> Any:
            return None if number is None else scope[self._named[number]]

        return AllocationPlan(
            name=node.name, across=node.across, section=node.section.name, key=node.section.key or "", score=find(node.score),
            terms=tuple(TermPlan(term.text, term.negative, find(term.weight), find(term.value)) for term in node.terms),
            floor=find(node.floor), ceiling=find(node.ceiling), scale=find(node.scale), freeze=find(node.freeze), freeze_text=node.freeze_text,
            threshold=find(node.threshold), fixed=tuple((name, find(number)) for name, number in node.fixed),
            cuts=tuple(CutPlan(cut.section, cut.field, cut.each, find(cut.value), find(cut.low), find(cut.high)) for cut in node.cuts),
            slots=tuple(graph.slots), folds={index: scope[self._fold(index)] for index, slot in enumerate(graph.slots) if slot.fold is not None},
            settings={name: setting(graph, name) for name in sorted(graph.settings)}, source=source)
