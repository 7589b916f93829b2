"""Any faults, in any order: the server's ledger agrees with what we say, and nobody is mailed twice."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.model.message import OutcomeKind
from newsletter.providers.base import Batch, ProviderOptions
from newsletter.providers.smtp import SmtpProvider, Timeouts
from newsletter.providers.smtp.envelope import only_crlf, wire_form
from tests.fakes.ledger import Fault, Faults
from tests.fakes.smtp import FakeSmtp
from tests.providers.conftest import make_batch

ANSWERS = [
    "421 4.3.2 closing",
    "450 4.2.0 later",
    "451 4.7.1 busy",
    "550 5.1.1 no",
    "550 5.7.1 policy",
    "554 5.6.0 no",
]
COMMANDS = st.builds(
    Fault,
    at=st.sampled_from(["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"]),
    do=st.sampled_from(["close", "250 ok", "354 what", "530 5.7.0 log in", "nonsense", *ANSWERS]),
    match=st.sampled_from(["", "reader2", "reader5", "reader11"]),
    after=st.integers(0, 6),
    times=st.one_of(st.integers(1, 3), st.none()),
)
ENDS = st.builds(
    Fault,
    at=st.just("END"),
    do=st.sampled_from(["close", "accept-close", "nonsense", *ANSWERS]),
    match=st.sampled_from(["", "reader1", "reader4", "reader7"]),
    after=st.integers(0, 4),
    times=st.one_of(st.integers(1, 3), st.none()),
)


@settings(max_examples=150, deadline=None)
@given(
    faults=st.lists(st.one_of(COMMANDS, ENDS), max_size=5),
    pipelining=st.booleans(),
    accept_empty=st.booleans(),
    per_connection=st.integers(0, 5),
)
def test_the_ledger_agrees_with_every_outcome(
    faults: list[Fault], pipelining: bool, accept_empty: bool, per_connection: int
) -> None:
    server = FakeSmtp(
        faults=Faults(faults), pipelining=pipelining, accept_empty=accept_empty, per_connection=per_connection
    )
    provider = SmtpProvider(
        ProviderOptions(name="smtp", host="127.0.0.1", port=server.port),
        timeouts=Timeouts(connect=60, reply=60, data_end=60),
    )
    with server:
        session = provider.session()
        final: dict[str, OutcomeKind] = {}
        batch = make_batch(12)
        for attempt in range(6):
            left = [m for m in batch.messages if final.get(m.delivery_id) in (None, OutcomeKind.DEFERRED)]
            result = session.send(Batch(f"k{attempt}", left))
            assert sorted(o.delivery_id for o in result.outcomes) == sorted(m.delivery_id for m in left)
            final.update((o.delivery_id, o.kind) for o in result.outcomes)
            for message in batch.messages:
                count = server.ledger.recipients[message.recipient]
                match final[message.delivery_id]:
                    case OutcomeKind.ACCEPTED:
                        assert count == 1
                    case OutcomeKind.UNKNOWN:
                        assert count <= 1
                    case _:
                        assert count == 0
            if attempt == 3:
                server.faults.clear()  # the server recovers: everything that may be sent is
        session.close()
    assert OutcomeKind.DEFERRED not in final.values()


@given(
    st.lists(st.sampled_from([b"\r\n", b".", b"\n", b"\r", b"a", b"..", b"=2E"]), max_size=30).map(b"".join)
)
def test_what_leaves_has_only_whole_line_ends_and_one_final_dot(text: bytes) -> None:
    assert only_crlf(text) is not bool(re.search(rb"\r(?!\n)|(?<!\r)\n", text))
    if not only_crlf(text):
        return
    wire = wire_form(text)
    assert wire.endswith(b"\r\n.\r\n") or wire == b".\r\n"
    # Read as a server does (RFC 5321, section 4.5.2): a line that is a dot ends it, another loses its first dot.
    lines = wire.split(b"\r\n")
    end = lines.index(b".")
    assert lines[end + 1 :] == [b""]
    read = b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:end])
    assert read == (text if text.endswith(b"\r\n") or not text else text + b"\r\n")
