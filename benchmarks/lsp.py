"""How soon the language server answers on a policy of 1 000 rules: the real process, as an editor drives it.

Hover, completion and definition are asked directly after a key, before any check of the new text can have ended: they
are answered from the last good tree. Diagnostics are counted from the last key to their arrival; beside it stands what the
server itself worked for them and waited for another key, which other programs on the machine disturb least (Linux alone
tells it). Needs the extra `lsp`.

    python benchmarks/lsp.py [--rules N] [--rounds N] [--json FILE]
"""
from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from parse import policy
from results import Result, option, write

BUDGET_MS = {"hover": 100, "completion": 100, "definition": 100, "diagnostics": 700, "… worked and waited": 700}
WAITS_MS = 100  # for another key: session.DEBOUNCE


class Client:
    """One server; requests wait for their answers."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "caplex", "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.count = 0

    def send(self, method: str, params: Any, number: int | None = None) -> None:
        body = {"jsonrpc": "2.0", "method": method, "params": params} | ({"id": number} if number is not None else {})
        content = json.dumps(body).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(content), content))
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        length = 0
        while (line := self.process.stdout.readline().strip()):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return json.loads(self.process.stdout.read(length))

    def ask(self, method: str, params: Any) -> tuple[Any, float]:
        """The answer, and milliseconds until it was there."""
        self.count += 1
        start = perf_counter()
        self.send(method, params, self.count)
        while (message := self.read()).get("id") != self.count:
            pass
        return message["result"], (perf_counter() - start) * 1000

    def worked(self) -> float | None:
        """Milliseconds of processor time that the server has had so far."""
        status = Path(f"/proc/{self.process.pid}/stat")
        if not status.is_file():
            return None
        fields = status.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")

    def diagnostics(self, version: int) -> list[Any]:
        while True:
            message = self.read()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"].get("version") == version:
                return message["params"]["diagnostics"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rules", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    option(parser)
    options = parser.parse_args()
    text = policy(options.rules)
    times: dict[str, list[float]] = {name: [] for name in BUDGET_MS}
    with TemporaryDirectory() as folder:
        uri = (Path(folder) / "generated.cap").as_uri()
        client = Client()
        client.ask("initialize", {"capabilities": {}, "processId": None, "rootUri": None})
        client.send("initialized", {})
        client.send("textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "cap", "version": 1, "text": text}})
        client.diagnostics(1)
        client.diagnostics(1)  # the lints
        lines = text.split("\n")
        middle = next(number for number in range(len(lines) // 2, len(lines)) if "of account.equity" in lines[number])
        column = lines[middle].index("account.equity") + len("account.")
        for round_ in range(options.rounds):
            version = round_ + 2
            # One line more at the top: every place has moved, and no tree knows it yet.
            client.send("textDocument/didChange", {
                "textDocument": {"uri": uri, "version": version},
                "contentChanges": [{"range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}, "text": "# typed\n"}]})
            key, before = perf_counter(), client.worked()
            middle += 1
            place = {"textDocument": {"uri": uri}, "position": {"line": middle, "character": column}}
            for name in ("hover", "completion", "definition"):
                answer, passed = client.ask(f"textDocument/{name}", place)
                assert answer, name
                times[name].append(passed)
            client.diagnostics(version)
            times["diagnostics"].append((perf_counter() - key) * 1000)
            if before is not None:
                times["… worked and waited"].append(client.worked() - before + WAITS_MS)
        client.ask("shutdown", None)
        client.send("exit", None)
        client.process.wait(30)
    write(options.json, "lsp", [
        Result.of(f"{name.removeprefix('… ')}, {options.rules} rules", found, "ms", most=BUDGET_MS[name] if options.rules == 1000 else None)
        for name, found in times.items() if found])
    if options.json == "-":
        return 0
    print(f"{options.rules} rules, {text.count(chr(10))} lines, {options.rounds} rounds; milliseconds, median (worst), budget")
    for name, found in times.items():
        if found:
            print(f"  {name:<20} {statistics.median(found):7.1f} ({max(found):.1f})  {BUDGET_MS[name]}{'' if statistics.median(found) <= BUDGET_MS[name] else '  missed'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
