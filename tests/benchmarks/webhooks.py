"""How many reports does the service keep in a second, against the same server's bare hello, and how soon are they applied?

`wrk` drives both in turns with 32 connections. Each call of Postmark's brings one report and each of SparkPost's
a hundred; all name deliveries of one send, and every one is committed before its 200. Afterwards the store is
counted: as many are kept as were answered, and applied as many as were kept.

    python tests/benchmarks/webhooks.py [--rounds 3] [--seconds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.benchmarks.web import SECRET, SETTINGS, free_port, process, wrk  # noqa: E402 - the path comes first

PEOPLE = 20_000
LUA = """\
local bodies = {}
local at = 0
for line in io.lines("%s") do bodies[#bodies + 1] = line end
function request()
  at = at + 1
  local body = string.gsub(bodies[(at - 1) %% #bodies + 1], "SERIAL", tostring(at))
  return wrk.format("POST", "%s", { ["Content-Type"] = "application/json" }, body)
end
"""


def make_list(home: Path) -> None:
    """A send through each provider to everybody has left."""
    from newsletter.app import open_workspace

    at = "2026-01-06T09:00:00.000Z"
    with open_workspace(home).open_database() as database, database.write() as tx:
        tx.executemany(
            "INSERT INTO subscribers (id, email, match_key, status, created_at) VALUES (?, ?, ?, 'active', ?)",
            [(n, f"r{n}@example.com", f"r{n}@example.com", at) for n in range(1, PEOPLE + 1)],
        )
        for send_id, provider in ((1, "postmark"), (2, "sparkpost")):
            tx.execute(
                "INSERT INTO sends (id, slug, number, title, state, content, content_hash, provider, audience, created_at)"
                " VALUES (?, 'hello', 1, 'Hello', 'sent', '', '', ?, ?, ?)",
                (send_id, provider, PEOPLE, at),
            )
            tx.executemany(
                "INSERT INTO deliveries (send_id, subscriber_id, state) VALUES (?, ?, 2)",
                [(send_id, n) for n in range(1, PEOPLE + 1)],
            )


def script(home: Path, provider: str, per_call: int, round_: int) -> Path:
    """Calls of `per_call` reports each; `SERIAL` makes every call another one."""
    from newsletter.audience.tokens import TokenSigner
    from newsletter.web.webhook_secrets import webhook_token

    signer = TokenSigner(SECRET.encode())
    bodies = []
    for first in range(1, PEOPLE + 1, per_call):
        ids = [signer.delivery(1 if provider == "postmark" else 2, n) for n in range(first, first + per_call)]
        if provider == "postmark":
            report = {"RecordType": "Delivery", "ID": f"{round_}-SERIAL", "Metadata": {"delivery_id": ids[0]}}
            bodies.append(json.dumps({**report, "DeliveredAt": "2026-01-06T09:00:01Z"}))
            continue
        bodies.append(
            json.dumps(
                [
                    {
                        "msys": {
                            "message_event": {
                                "type": "delivery",
                                "event_id": f"{round_}-{n}-SERIAL",
                                "rcpt_meta": {"delivery_id": id_},
                            }
                        }
                    }
                    for n, id_ in enumerate(ids)
                ]
            )
        )
    lines = home / f"{provider}.txt"
    lines.write_text("".join(f"{body}\n" for body in bodies), "ascii")
    made = home / f"{provider}.lua"
    made.write_text(LUA % (lines, f"/hooks/{provider}/{webhook_token(SECRET.encode(), provider)}"), "utf-8")
    return made


def counted(home: Path, condition: str) -> int:
    """How many reports are so."""
    from newsletter.app import open_workspace

    with open_workspace(home).open_database() as database:
        return int(database.query(f"SELECT count(*) FROM events WHERE {condition}")[0][0])


def measure(home: Path, provider: str, per_call: int, rounds: int, seconds: int) -> None:
    """Both in turns; prints a line a round and the medians."""
    ports, ratios, rates = (free_port(), free_port()), [], []
    bare = process(home, str(ROOT / "tests/benchmarks/web.py"), "--hello", str(ports[0]), port=ports[0])
    with bare, process(home, "-m", "newsletter", "serve", "--port", str(ports[1]), port=ports[1]):
        wrk(f"http://127.0.0.1:{ports[0]}/", 1)
        for number in range(rounds):
            first = wrk(f"http://127.0.0.1:{ports[0]}/", seconds)
            before = counted(home, "1")
            second = wrk(f"http://127.0.0.1:{ports[1]}/", seconds, script(home, provider, per_call, number))
            kept, left = counted(home, "1") - before, counted(home, "applied_at = ''")
            if second.failed or kept < second.answers * per_call:
                raise SystemExit(f"{second.answers} answered, {kept} kept, {second.failed} failed")
            begun = time.monotonic()
            while counted(home, "applied_at = ''"):
                time.sleep(0.05)
            ratios.append(second.per_second / first.per_second)
            rates.append(second.per_second * per_call / first.per_second)
            print(
                f"{provider} × {per_call}, round {number + 1}: hello {first.per_second:,.0f}/s · calls "
                f"{second.per_second:,.0f}/s p99 {second.p99_ms:.0f} ms · reports {second.per_second * per_call:,.0f}/s"
                f" · {left:,} still to apply, done after {time.monotonic() - begun:.1f} s"
            )
    if counted(home, "result NOT IN ('noted', 'suppressed')"):
        raise SystemExit("some reports found no delivery")
    print(
        f"{provider} × {per_call}: calls {statistics.median(ratios):.2f}× hello, reports {statistics.median(rates):.2f}× hello"
    )


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    os.environ["NEWSLETTER_SECRET_KEY"] = SECRET
    for provider, per_call in (("postmark", 1), ("sparkpost", 100)):
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            (home / "newsletter.toml").write_text(SETTINGS, "utf-8")
            make_list(home)
            measure(home, provider, per_call, options.rounds, options.seconds)


if __name__ == "__main__":
    main()
