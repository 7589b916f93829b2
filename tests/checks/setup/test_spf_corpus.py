"""SPF as RFC 7208's own test suite has it: every case, asked of a real name server on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from newsletter.checks.setup.resolver import DnsResolver
from newsletter.checks.setup.spf.evaluate import check_host
from tests.fakes.dns import SERVFAIL, Entry, FakeDns

# All of them: no case is left out.
CASES: Final = 203


def zone_of(data: dict[str, list[Any]]) -> dict[str, list[Entry]]:
    """The suite's zone data; what it means for records of the type SPF to be served as TXT is said at its top."""
    zone: dict[str, list[Entry]] = {}
    for name, records in data.items():
        entries: list[Entry] = []
        kinds = {kind for record in records if isinstance(record, dict) for kind in record}
        for record in records:
            if record == "TIMEOUT":
                # The same to who asks, and sooner.
                entries.append(SERVFAIL)
                continue
            for kind, value in record.items():
                if value == "TIMEOUT":
                    if kind == "TXT":
                        entries.append(SERVFAIL)
                elif kind in ("SPF", "TXT"):
                    if value != "NONE" and (kind == "TXT" or "TXT" not in kinds):
                        entries.append(("TXT", [as_bytes(part) for part in as_list(value)]))
                elif kind == "MX":
                    entries.append((kind, f"{value[0]} {value[1] or '.'}"))
                else:
                    entries.append((kind, value))
        zone[name.lower()] = entries
    return zone


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8")


def test_every_case_of_the_suite_has_the_result_it_allows(server: FakeDns, shared_data: Path) -> None:
    path = shared_data / "corpora" / "spf-rfc7208" / "test" / "rfc7208-tests.yml"
    wrong, seen = [], 0
    for scenario in yaml.safe_load_all(path.read_text("utf-8")):
        server.zone = zone_of(scenario["zonedata"])
        for name, case in scenario["tests"].items():
            seen += 1
            resolver = DnsResolver(5, "127.0.0.1", server.port)
            verdict = check_host(resolver, str(case["host"]), case["mailfrom"], str(case["helo"]))
            if verdict.result not in as_list(case["result"]):
                wrong.append(f"{name}: {verdict} and not {case['result']}")
            words = case.get("explanation")
            if words is not None and verdict.explanation != ("" if words == "DEFAULT" else words):
                wrong.append(f"{name}: {verdict.explanation!r} and not {words!r}")
    assert seen == CASES
    assert wrong == []
