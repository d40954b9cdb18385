"""Build the playground: `python -m playground.build` at the top of the checkout; the page comes out in `playground/dist`.

What is not ours comes from the registries that npm and pip are set up for: Pyodide and CodeMirror, the wheels of lark and
tzdata. caplex itself is built from this checkout, and so are the words that the editor colours, and the examples. What
comes out asks no other host for anything: any server of files will do.
"""
from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from caplex.compiler.tools.lexer_terms import Terms, terms

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
DIST: Final = HERE / "dist"
MADE: Final = HERE / "build"
PYODIDE: Final = ("pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")
WHEELS: Final = ("lark", "tzdata")
"""All that check, decide and their pictures need beside the standard library; a test holds it to that."""
EXAMPLES: Final = (
    ("quickstart/desk.cap", "A desk in the crash of 2020", "4-loss-stop"),
    ("desk/desk.cap", "A desk made of packs", "2-trimmed"),
    ("policygate/policy.cap", "PolicyGate's rules, in 90 lines", "1-trimmed"),
    ("agent_treasury/policy.cap", "A treasury that an agent pays from", "2-large-bill"),
    ("crypto_desk/policy.cap", "Perpetuals, with leverage", "2-cut"),
    ("equities_desk/policy.cap", "Market access, SEC 15c3-5", "3-late"),
    ("eu_signal_desk/policy.cap", "Signals of a model, MiFID RTS 6", "2-unsure"),
)
"""Policy, what the menu calls it, and the facts that it opens with."""


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m playground.build", description=__doc__.partition("\n")[0] if __doc__ else None)
    arguments.add_argument("--out", type=Path, default=DIST, help="folder to write; what is in it is removed first")
    out = arguments.parse_args().out
    if not (HERE / "node_modules" / "pyodide").is_dir():
        if shutil.which("npm") is None:
            sys.stderr.write("npm is missing: it fetches Pyodide and CodeMirror; install Node.js 20 or newer\n")
            return 2
        run("npm", "ci", "--no-fund", "--no-audit")
    build(out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    sys.stdout.write(f"{out}: {size / 1e6:.1f} MB\npython -m http.server --directory {out}\n")
    return 0


def build(out: Path) -> None:
    """Write the page into *out*, anew."""
    for folder in (MADE, out):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    write(MADE / "terms.json", {"rules": list(rules(terms()))})
    write(MADE / "examples.json", [example(*each) for each in EXAMPLES])
    for name in ("index.html", "style.css", "icon.svg"):
        shutil.copy2(HERE / "src" / name, out)
    bundler = shutil.which("esbuild", path=str(HERE / "node_modules" / ".bin"))
    assert bundler is not None, "npm has not installed esbuild"
    run(bundler, "src/main.js", "src/worker.js", "--bundle", "--format=esm", "--minify", "--target=es2022",
        "--external:./pyodide/*", "--legal-comments=linked", "--log-level=warning", f"--outdir={out}")
    (out / "pyodide").mkdir()
    for name in PYODIDE:
        shutil.copy2(HERE / "node_modules" / "pyodide" / name, out / "pyodide")
    python = out / "python"
    python.mkdir()
    shutil.copy2(HERE / "bridge.py", python)
    wheels(python)
    write(python / "wheels.json", sorted(path.name for path in python.glob("*.whl")))


def wheels(folder: Path) -> None:
    """caplex as it stands here, and what it stands on, at the versions that it asks for."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    needed = [each for each in wanted if each.startswith(WHEELS)]
    run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "-d", str(folder), *needed)
    try:
        import hatchling  # noqa: F401 - asked for here, run below
    except ImportError:
        run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--disable-pip-version-check", "-w", str(folder), str(ROOT))
    else:
        run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)


def rules(known: Terms) -> Iterator[tuple[str, str]]:
    """Pattern and colour, in the order in which they are tried where code stands; as the lexers of the editors have them."""
    yield known.ids["RULE_REF"], "rule"
    for name, pattern in known.literals.items():
        # Behind `..` a number may stand, behind `x.` none.
        yield (pattern if name == "DOLLARS" else rf"(?<!\w)(?<!\w\.){pattern}"), "time" if name in {"INSTANT", "DATE", "TIME", "DURATION"} else "number"
    yield r"(?<=[0-9]\s+)(?:[A-Z][A-Z0-9]{2,9}|units)(?!\w)", "unit"
    yield rf"(?<![\w.])(?:{'|'.join(known.functions)})(?=\()", "function"
    yield rf"(?<=:\s*)(?:{'|'.join(known.types)})(?!\w)", "type"
    for words, colour in ((known.declarations, "declaration"), (known.operators, "operator"), (known.constants, "constant"),
                          (known.effects, "effect"), (known.clauses, "clause")):
        yield rf"(?<![\w.\-])(?:{'|'.join(words)})(?![\w\-])(?!\s*[:.](?![.]))", colour
    yield r"[a-z_]\w*(?:\.[A-Za-z_]\w*)+", "path"
    yield known.ids["FAMILY"], "family"
    yield r"<=|>=|==|!=|<|>|\.\.|[-+*/=|]", "sign"
    yield r"\w+", "name"


def example(policy: str, title: str, first: str) -> dict[str, Any]:
    """One policy of `examples/` with its facts."""
    path = ROOT / "examples" / policy
    facts = [{"name": each.stem, "title": each.stem.partition("-")[2].replace("-", " "), "text": each.read_text(encoding="utf-8")}
             for each in sorted((path.parent / "facts").glob("*.json"))]
    assert any(each["name"] == first for each in facts), f"{policy} has no facts {first}"
    return {"name": path.parent.name, "title": title, "file": path.name, "text": path.read_text(encoding="utf-8"), "facts": facts, "first": first}


def write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")


def run(*command: str, cwd: Path = HERE) -> None:
    """Run a tool; what it says is what is told if it fails."""
    done = subprocess.run(command, cwd=cwd)
    if done.returncode:
        raise SystemExit(f"{Path(command[0]).name} {' '.join(command[1:3])} failed with {done.returncode}")


if __name__ == "__main__":
    sys.exit(main())
