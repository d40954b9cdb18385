"""Deciding whole frames: one row an intent, over columns of whole numbers (docs/spec.md, CAP-FRAME)."""
from importlib import import_module

from caplex.runtime.errors import CaplexError

try:
    import_module("numpy")
except ImportError:
    raise CaplexError("frames want an extra that is not installed: pip install 'caplex[frames]'") from None
