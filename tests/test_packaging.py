"""What is built holds what is in the checkout: file for file, in the one namespace."""
from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("grammar", "compiler", "runtime", "stdlib_rules")
DEMO = "examples/quickstart"
LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}

pytestmark = [pytest.mark.gate, pytest.mark.xdist_group("gate")]


def files_of(folder: str, *, follow: bool = False) -> set[str]:
    """Files below *folder*, as the builder should see them; no links to folders."""
    found = set()
    for path in (ROOT / folder).iterdir():
        if path.name in LEFT_OUT or path.suffix in {".pyc", ".capc", ".journal"} or (path.is_symlink() and not follow):
            continue
        name = f"{folder}/{path.name}"
        found |= files_of(name) if path.is_dir() else {name}
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[set[str], set[str]]:
    """Names in the wheel and in the sdist; the wheel is built from the sdist, as a package index would."""
    out = tmp_path_factory.mktemp("dist")
    done = subprocess.run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    return in_wheel, in_sdist


def test_the_wheel_holds_every_file_of_every_package_and_nothing_else(built):
    wheel = {name for name in built[0] if ".dist-info/" not in name}
    wanted = files_of("caplex") | {f"caplex/{name}" for package in PACKAGES for name in files_of(package)}
    wanted |= {"caplex/_demo" + name.removeprefix(DEMO) for name in files_of(DEMO)}
    assert wheel == wanted
    assert len(wheel) > 100


def test_what_is_no_python_is_there_too(built):
    wheel = built[0]
    for name in ("grammar/cap.lark", "grammar/terminals.lark", "grammar/facts.cap", "stdlib_rules/order_sanity.cap", "py.typed",
                 "compiler/py.typed", "runtime/py.typed", "grammar/py.typed", "stdlib_rules/py.typed", "_demo/desk.cap", "_demo/prices.csv"):
        assert f"caplex/{name}" in wheel
    for pattern, least in ((".lark", 2), (".cap", 3)):
        assert sum(name.endswith(pattern) for name in wheel) >= least
    licences = {name.rpartition("/")[2] for name in wheel if ".dist-info/licenses/" in name}
    assert licences == {"LICENSE", "NOTICE"}


def test_the_sdist_holds_what_is_needed_to_build_and_to_test(built):
    sdist = built[1]
    wanted = {name for folder in (*PACKAGES, "caplex", "examples", "tests", "docs") for name in files_of(folder)}
    assert wanted - sdist == set()
    assert {"pyproject.toml", "README.md", "LICENSE", "NOTICE"} <= sdist
    assert not {name for name in sdist if name.startswith(tuple(f"caplex/{package}/" for package in PACKAGES))}


def test_the_wheel_runs_from_elsewhere(built, tmp_path):
    """Installed without its dependencies beside ours, and asked from a folder that has no checkout."""
    target = tmp_path / "site"
    with zipfile.ZipFile(next(iter(_wheels(tmp_path)))) as archive:
        archive.extractall(target)
    program = ("import sys; sys.path.insert(0, sys.argv[1]); import caplex; from caplex.compiler.cli.main import run\n"
               "assert caplex.__file__.startswith(sys.argv[1]), caplex.__file__\n"
               "import caplex.runtime.values; assert caplex.runtime.values.__file__.startswith(sys.argv[1])\n"
               "sys.exit(run(['explain', 'CAP203']))")
    done = subprocess.run([sys.executable, "-P", "-c", program, str(target)], cwd=tmp_path, capture_output=True, text=True,
                          env={"PATH": "", "SYSTEMROOT": ""}, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("# CAP203")


def _wheels(folder: Path) -> list[Path]:
    done = subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")], cwd=ROOT,
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return list((folder / "dist").glob("*.whl"))
