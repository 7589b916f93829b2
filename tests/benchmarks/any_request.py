"""Does any of many requests, right to hostile, get a 5xx? Slow, run by hand.

    .venv/bin/python -m tests.benchmarks.any_request [--requests 20000] [--seed 1]

Prints how often each route answered with which status, and every request that was answered wrongly; the
exit status is 1 then.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    os.environ["NEWSLETTER_SECRET_KEY"] = "a-key-for-this-run-that-is-long-enough"
    from tests.web import any_request
    from tests.web.conftest import Running, make_home

    with tempfile.TemporaryDirectory() as folder:
        home = make_home(Path(folder) / "n", "[web]\napi_requests_per_minute = 1000000\n")
        site = Running(home)
        maker = any_request.maker_for(site)
        before = any_request.bystander(site)
        chance = random.Random(asked.seed)
        statuses: Counter[str] = Counter()
        wrong = []
        began = time.monotonic()
        for _ in range(asked.requests):
            raw = maker.request(chance)
            answer = any_request.answer_to(site, raw)
            statuses[answer.split(b" ", 2)[1].decode() if answer else "closed"] += 1
            if problem := any_request.complaint(raw, answer):
                wrong.append(problem)
        moved = any_request.bystander(site) != before
        site.stop()
    print(f"{asked.requests:,} requests in {time.monotonic() - began:.0f} s, seed {asked.seed}")
    print("  ".join(f"{status}: {number:,}" for status, number in sorted(statuses.items())))
    print(f"answered wrongly: {len(wrong)}; a bystander moved: {'yes' if moved else 'no'}")
    for problem in wrong[:10]:
        print(problem)
    return 1 if wrong or moved else 0


if __name__ == "__main__":
    sys.exit(main())
