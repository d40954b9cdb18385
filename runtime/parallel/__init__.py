"""Replays in many processes: a journal cut by account, the parts run again anywhere, the findings put together as if by one."""
from __future__ import annotations

from caplex.runtime.parallel.gathering import Replays
from caplex.runtime.parallel.running import Failed, replay_many

__all__ = ["Failed", "Replays", "replay_many"]
