"""The actuator: takes approved actions to an exchange, in one strict sequence, and decides nothing."""
from caplex.runtime.actuator.desks import Desk, EngineDesk, FactsDesk
from caplex.runtime.actuator.exchange import BrokerExchange, Exchange
from caplex.runtime.actuator.result import Result
from caplex.runtime.actuator.sequence import Actuator

__all__ = ["Actuator", "BrokerExchange", "Desk", "EngineDesk", "Exchange", "FactsDesk", "Result"]
