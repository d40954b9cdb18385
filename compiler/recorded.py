"""A policy as a journal recorded it: compiled from the texts in the record, whatever lies on the disk today."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caplex.compiler.driver import check_texts
from caplex.runtime.errors import PolicyError
from caplex.runtime.policy import Policy


def compile_recorded(record: Mapping[str, Any]) -> Policy:
    """The policy of a journal's record of the kind ``policy``.

    Raises:
        PolicyError: the texts do not compile with this version, or do not give the policy that the record names.
    """
    from caplex.compiler.loading import policy_of

    sources, given = record.get("sources"), record.get("given") or {}
    entry = record.get("entry")
    if not isinstance(sources, Mapping) or not isinstance(entry, str) or entry not in sources:
        raise PolicyError(f"the journal holds no texts of the policy `{record.get('name')}`; name the policy itself")
    values, mode = dict(given.get("settings") or {}), given.get("mode")
    checked, problems = check_texts(entry, sources, values, mode)
    policy = policy_of(checked, problems, values, mode)
    if (policy.hash, policy.settings_hash) != (record.get("hash"), record.get("settings_hash")):
        raise PolicyError(f"the texts in the journal give the policy {policy.hash[:19]}…, and the record names {str(record.get('hash'))[:19]}…: "
                          "one of the two was made by another version of caplex, or was changed")
    return policy
