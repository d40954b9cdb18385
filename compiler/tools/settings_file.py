"""Settings, and other flat documents, from a YAML file, with the line of what is wrong."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from caplex.runtime.errors import PolicyError


def read_settings(path: Path) -> dict[str, Any]:
    """Settings by name; lists stay lists, numbers keep their digits.

    Raises:
        PolicyError: The file is missing, no YAML, or no flat mapping of names to values; the message names the line.
    """
    return read_mapping(path, "settings file", "maps names to values, `max_position: 8%`")


def read_mapping(path: Path, kind: str, cure: str, *, times_as_text: bool = False) -> dict[str, Any]:
    """The mapping in a YAML file that people call a *kind*; what it is instead of a mapping is answered with *cure*.

    Raises:
        PolicyError: as of `read_settings`.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import SafeConstructor
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    class Exact(SafeConstructor):
        """Numbers with a point keep their digits."""

    Exact.add_constructor("tag:yaml.org,2002:float", lambda _, node: str(node.value))
    if times_as_text:
        Exact.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: str(node.value))

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: the {kind} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = False
    yaml.Constructor = Exact
    try:
        loaded = yaml.load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        raise PolicyError(f"{path}:{line}: {error.problem}") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise PolicyError(f"{path}: no {kind}: {error}") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in loaded):
        raise PolicyError(f"{path}:1: a {kind} {cure}")
    return dict(loaded)
