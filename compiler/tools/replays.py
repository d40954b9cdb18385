"""Replays of many journals, or under many policies, over processes, threads, Dask, or any executor: `caplex.replay_many`."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any, Literal

from caplex.compiler.driver import check_texts
from caplex.compiler.recorded import compile_recorded
from caplex.runtime.errors import CaplexError, PolicyError
from caplex.runtime.journal import JournalTrouble, read
from caplex.runtime.parallel import Replays
from caplex.runtime.parallel import replay_many as replay_over
from caplex.runtime.policy import Policy

MOST = 256
"""So many combinations of swept settings are tried."""
INSTALL = "pip install 'caplex[cluster]'"
Progress = Callable[[str, int, int, int], None]


def replay_many(
    journals: str | Path | Sequence[str | Path], *, policy: str | Path | Policy | Sequence[str | Path | Policy] = (),
    sweep: Mapping[str, Sequence[Any]] | None = None, settings: Mapping[str, Any] | None = None, mode: Literal["enforce", "monitor"] | None = None,
    jobs: int | Literal["auto"] = "auto", executor: Executor | str | None = None, tell: Callable[[str], None] | None = None, progress: Progress | None = None,
) -> Replays:
    """Run *journals* again, several at a time: prove every decision, and list what other policies would flip.

    Args:
        journals: Files, and folders of them. A journal of several accounts is cut by account where there are fewer journals than jobs.
        policy: Other policies, which decide the same intents; *settings* and *mode* are theirs.
        sweep: Values to try, by setting, in all combinations; of each of the policies, or else of the one that the first journal names.
        jobs: How many at a time; ``auto`` is one for each processor.
        executor: ``processes`` (the default), ``threads``, ``dask:ADDRESS``, or any `concurrent.futures.Executor`, which stays open.
        tell: Is told in a sentence when a worker died or a journal could not be cut.
    Raises:
        JournalTrouble, PolicyError: of a journal or policy. CaplexError: an executor that cannot be had, or a part that cannot be replayed.
    """
    given = [journals] if isinstance(journals, str | Path) else list(journals)
    paths = [path for each in given for path in journals_in(each)]
    if not paths:
        raise CaplexError("no journal is named")
    policies = [policy] if isinstance(policy, str | Path | Policy) else list(policy)
    variants = list(_variants(policies, sweep or {}, dict(settings or {}), mode, paths[0]))
    with _executor(executor) as (hands, threads, width):
        number = (width or os.cpu_count() or 1) if jobs == "auto" else jobs
        return replay_over(paths, load=compile_recorded, variants=variants, jobs=number, executor=hands, threads=threads, tell=tell, progress=progress)


def journals_in(path: str | Path) -> list[str]:
    """The journal *path*, or those in the folder *path*, by name."""
    place = Path(path)
    if not place.is_dir():
        return [str(path)]
    found = sorted(str(each) for each in place.iterdir() if each.is_file() and each.name.endswith(".journal"))
    if not found:
        raise JournalTrouble("missing", f"the folder `{path}` holds no journal: those whose names end in `.journal` are read")
    return found


# ── policies to try ───────────────────────────────────────────────────────────────────────────────────


def _variants(policies: Sequence[str | Path | Policy], sweep: Mapping[str, Sequence[Any]], settings: Mapping[str, Any], mode: Any,
              first: str) -> Iterator[tuple[str, Policy]]:
    combined = [dict(zip(sweep, values, strict=True)) for values in product(*sweep.values())]
    if len(combined) > MOST:
        raise CaplexError(f"{len(combined)} combinations of settings are more than {MOST}; sweep fewer at a time")
    bases: list[str | Path | Policy | Mapping[str, Any]] = [*policies]
    if sweep and not policies:
        bases.append(_recorded(first))
    for one in bases:
        for values in combined:
            swept = ", ".join(f"{name}={value}" for name, value in values.items())
            name = "" if isinstance(one, Mapping) else one.name if isinstance(one, Policy) else str(one)
            yield " ".join(each for each in (name, swept) if each), _with(one, settings, values, mode)


def _with(one: str | Path | Policy | Mapping[str, Any], settings: Mapping[str, Any], swept: Mapping[str, Any], mode: Any) -> Policy:
    """The policy *one* with other settings. What only a person may loosen is loosened here: nothing is approved by a replay."""
    if isinstance(one, Policy) and not swept:
        return one
    try:
        return _load(one, {**settings, **swept}, mode)
    except PolicyError:
        if not swept:
            raise
        approved = {name: {"value": value, "approved_by": "sweep", "through": "9999-12-30"} for name, value in swept.items()}
        return _load(one, {**settings, **approved}, mode)


def _load(one: str | Path | Policy | Mapping[str, Any], settings: Mapping[str, Any], mode: Any) -> Policy:
    from caplex.compiler.loading import load, policy_of

    if isinstance(one, str | Path):
        return load(one, settings=settings, mode=mode)
    if isinstance(one, Policy):
        sources = dict(one.plan.sources)
        record: Mapping[str, Any] = {"sources": sources, "entry": next(iter(sources), None), "given": one.plan.given}
    else:
        record = one
    given = record.get("given") or {}
    values, way = {**(given.get("settings") or {}), **settings}, mode or given.get("mode")
    checked, problems = check_texts(record["entry"], record["sources"], values, way)
    return policy_of(checked, problems, values, way)


def _recorded(path: str) -> Mapping[str, Any]:
    """The record of the first policy of a journal."""
    for record in read(path, skip_torn=True):
        if record.kind == "policy":
            compile_recorded(record.body)  # it can be had
            return dict(record.body)
    raise JournalTrouble("foreign", f"the journal `{path}` names no policy whose settings could be swept")


# ── who does the work ─────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _executor(wanted: Executor | str | None) -> Iterator[tuple[Executor | None, bool, int | None]]:
    """The executor to use, whether threads are wanted instead, and how many it does at a time where it says so."""
    if not isinstance(wanted, str):
        yield wanted, False, None
    elif wanted in ("processes", "threads"):
        yield None, wanted == "threads", None
    elif wanted.startswith("dask:"):
        with _dask(wanted.removeprefix("dask:")) as (hands, width):
            yield hands, False, width
    else:
        raise CaplexError(f"no executor is called `{wanted}`: processes, threads, dask:ADDRESS")


@contextmanager
def _dask(address: str) -> Iterator[tuple[Executor, int]]:
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise CaplexError(f"a Dask cluster wants an extra that is not installed: {INSTALL}") from None
    try:
        client = distributed.Client(address or None, timeout="5s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise CaplexError(f"no Dask scheduler answers at `{address}` ({type(error).__name__}); start one with `dask scheduler`") from None
    try:
        yield client.get_executor(pure=False), max(sum(client.ncores().values()), 1)
    finally:
        client.close()
