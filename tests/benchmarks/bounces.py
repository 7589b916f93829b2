"""How well and how fast are bounces read? Run by hand: python tests/benchmarks/bounces.py [FOLDER_OF_OTHER_BOUNCES].

Prints the score on the project's corpus (address found, class right, false suppressions), the rate against
the standard library's parser alone on the same mails, and how the time grows with the size of hostile mails:
2.0 for twice the size is linear.
"""

from __future__ import annotations

import email
import email.policy
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from newsletter.tracking.mailbox.read import read
from newsletter.tracking.mailbox.reading import Kind
from tests.tracking.mailbox.corpus import CASES, Case

HOSTILE: dict[str, Callable[[int], bytes]] = {
    "one long line": lambda n: b"From: mailer-daemon@x\nSubject: undeliverable\n\n" + b"a" * n,
    "addresses that never end": lambda n: b"From: mailer-daemon@x\nSubject: undeliverable\n\n" + b"<a@b" * (n // 4),
    "words of refusal": lambda n: b"From: mailer-daemon@x\nSubject: undeliverable\n\n" + b"user " * (n // 5),
    "boundaries": lambda n: b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * (n // 5),
    "nested boundaries": lambda n: b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" * (n // 47),
    "folded headers": lambda n: b"X:\n" + b" a\n" * (n // 3),
    "tags": lambda n: b"From: mailer-daemon@x\nSubject: undeliverable\nContent-Type: text/html\n\n" + b"<p " * (n // 3),
    "dashes": lambda n: b"From: mailer-daemon@x\nSubject: undeliverable\n\n" + b"- " * (n // 2),
}  # fmt: skip


def seconds(work: Callable[[], object], times: int = 3) -> float:
    """CPU seconds, the best of a few."""
    best = float("inf")
    for _ in range(times):
        begin = time.process_time()
        work()
        best = min(best, time.process_time() - begin)
    return best


def score(case: Case, right: Counter[str]) -> None:
    """Count what was read rightly."""
    reading = read(case.mail())
    addresses = {report.address.lower() for report in reading.reports if report.address}
    right["kind"] += reading.kind == case.kind
    right["address"] += addresses == {case.address.lower(), *case.other} - {""}
    if case.kind == "bounce":
        verdicts = {report.address.lower(): report.verdict.bounce_class for report in reading.reports}
        right["class"] += verdicts.get(case.address.lower()) == case.bounce_class
    hard = reading.kind is Kind.BOUNCE and any(r.verdict.bounce_class == "hard" for r in reading.reports)
    right["false hard"] += hard and case.bounce_class != "hard"


def main() -> None:
    """Print the figures."""
    right: Counter[str] = Counter()
    for case in CASES:
        score(case, right)
    bounces = sum(case.kind == "bounce" for case in CASES)
    print(f"{len(CASES)} mails, {bounces} of them bounces")
    print(
        f"  kind {right['kind']}/{len(CASES)}, addresses {right['address']}/{len(CASES)}, class {right['class']}/{bounces}"
    )
    print(f"  called hard and isn't: {right['false hard']}")

    mails = [case.mail() for case in CASES]
    ours = seconds(lambda: [read(mail) for mail in mails])
    parsed = seconds(
        lambda: [
            [
                p.get_payload(decode=True)
                for p in email.message_from_bytes(m, policy=email.policy.default).walk()
            ]
            for m in mails
        ]
    )
    print(
        f"{len(mails) / ours:,.0f} mails a second of CPU; the standard library parses {len(mails) / parsed:,.0f}: {parsed / ours:.2f}×"
    )

    print("time for twice the size (2.0 is linear; bounded parts are below):")
    for name, make in HOSTILE.items():
        small, large = make(300_000), make(600_000)
        first, second = seconds(lambda m=small: read(m)), seconds(lambda m=large: read(m))  # type: ignore[misc]
        print(f"  {name:26} {second / first:4.1f}   {second * 1000:6.0f} ms for 600 kB")

    for folder in sys.argv[1:]:
        kinds = Counter(
            read(path.read_bytes()).kind.value for path in Path(folder).iterdir() if path.is_file()
        )
        print(f"{folder}: {dict(kinds)}")


if __name__ == "__main__":
    main()
