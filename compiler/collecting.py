"""The garbage collector rests while a policy is read: that makes many objects that all stay, and it would walk them again and again."""
from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused(*, settled: bool = False) -> Iterator[None]:
    """Collects nothing within, and goes on behind as it was.

    Args:
        settled: All that is left behind is in use, none of it garbage in circles, unless an exception leaves. It counts as old at once;
            else the first thing that is made behind would have the collector walk over all of it. A host that has frozen its own
            objects is left alone.
    """
    on = gc.isenabled()
    gc.disable()
    whole = False
    try:
        yield
        whole = True
    finally:
        if on:
            if settled and whole and not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()
