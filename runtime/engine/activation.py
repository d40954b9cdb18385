"""Who may let another policy take over while the engine runs, and what stands of that in the journal.

Nobody has proved that the new policy is no looser, so that every change is one for the owner of the present policy: the role
that its header names as `owner`.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from caplex.runtime.canonical import sha256
from caplex.runtime.clock import exact_instant
from caplex.runtime.engine.events import read_event
from caplex.runtime.policy import Policy
from caplex.runtime.roles import Act, Refusal

if TYPE_CHECKING:
    from caplex.runtime.engine.machine import Machine

HOST: Final = "host"
"""Who lets a policy in where nobody is named."""
REFUSED: Final = "policy_refused"
"""A note in the journal: a policy that did not take over, and why."""


def act_of(policy: Policy, *, by: str, at: str, approved_by: Sequence[str] = (), **more: str | None) -> dict[str, Any]:
    """The event that says that *policy* shall take over: what its owner signs."""
    told = {name: value for name, value in more.items() if value is not None}
    return {"type": "policy", "act": "activate", "at": at, "by": by, "approved_by": list(approved_by), "hash": policy.hash,
            "settings_hash": policy.settings_hash, "version": policy.version, **told}


def authorised(machine: Machine, policy: Policy, act: Mapping[str, Any], subject: str | None, *, host: bool = False) -> Act | Refusal:
    """Whether *act* lets *policy* take over. *host*: the program that runs the engine asks for it, and no event."""
    for name, mine in (("hash", policy.hash), ("settings_hash", policy.settings_hash), ("version", policy.version)):
        if act.get(name) not in (None, mine):
            return Refusal("other_content", f"the act is for the policy whose `{name}` is {act[name]}, and this one's is {mine}")
    if host and machine.roles.hash is None and not machine.trust and act.get("signature") is None and subject is None:
        # Without a roles file the host is its own authority, as it is when it opens the journal under another policy.
        return Act(str(act["by"]), frozenset(), "host", machine.state.now_ns, machine.state.now_ns)
    found = machine.roles.authenticate(act, subject=subject, trust=machine.trust, now_ns=machine.state.now_ns)
    if isinstance(found, Refusal) or found.how == "trusted":
        return found
    if found.how == "signature":
        missing = [name for name in ("hash", "settings_hash") if act.get(name) is None]
        if missing:
            return Refusal("other_content", f"a signed act names what it activates: `{missing[0]}` is missing; this policy's is {getattr(policy, missing[0])}")
        if machine.state.known_event(_used(act)) is not None:
            return Refusal("act_used", f"this act of `{found.by}` has activated a policy already, and does so once; act anew")
    owner = machine.policy.plan.header.owner
    if not owner:
        return Refusal("no_owner", "the present policy names no `owner`, so nobody may replace it while it runs")
    if not {owner, role_of(owner)} & found.roles:
        return Refusal("lacks_role", f"`{found.by}` is no `{role_of(owner)}`: the owner of the present policy replaces it")
    return found


def at_opening(machine: Machine, policy: Policy, change: Mapping[str, Any] | str | None, *, guarded: bool) -> tuple[dict[str, Any], Act | Refusal]:
    """The act that lets *policy* go on with a journal of another one, and whether it does: what stands in the way of `activate` stands in its way.

    *change*: a signed act, or who does it where nobody signs; None: the host. *guarded*: the journal was kept under a roles
    file, and then a host without one is no authority.
    """
    if isinstance(change, Mapping):
        act = dict(read_event(change).data)
        if act["type"] != "policy":
            return act, Refusal("malformed", f"a policy is let in by an act of the type `policy`, and not by a `{act['type']}`")
    else:
        act = act_of(policy, by=change or HOST, at=exact_instant(max(machine.state.now_ns, 0)))
    owner = machine.policy.plan.header.owner
    if guarded and machine.roles.hash is None and not machine.trust:
        return act, Refusal("no_roles_file", "the journal was kept under a roles file, and without it nobody may replace its policy: give the engine one")
    if change is None and machine.roles.hash is not None:
        who = f"`{role_of(owner)}`, the owner of the present policy," if owner else "nobody, for the present policy names no `owner`,"
        return act, Refusal("no_act", f"it is for {who} to let it, by a signed act that names the hash {policy.hash} and the settings_hash "
                            f"{policy.settings_hash}" if not machine.trust else "name who lets it: somebody whom the roles file knows")
    found = authorised(machine, policy, act, None, host=not isinstance(change, Mapping))
    complaints = [] if isinstance(found, Refusal) else machine.activation(policy)
    return act, Refusal("in_the_way", "; ".join(complaints)) if complaints else found


def act_in(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The act that a record of the kind ``policy`` names: a signed one is spent by it."""
    return body.get("event") or body.get("opened_by")


def role_of(owner: str) -> str:
    """`Risk desk` is the role `risk-desk`, where the roles file does not write it out."""
    return "-".join(owner.casefold().split())


def remember(machine: Machine, act: Mapping[str, Any]) -> None:
    """A signed act is spent once."""
    if act.get("signature") is not None:
        machine.state.event_ids[_used(act)] = "used"


def _used(act: Mapping[str, Any]) -> tuple[str, str]:
    return "policy", sha256(act["signature"])
