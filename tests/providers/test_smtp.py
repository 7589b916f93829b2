"""What SMTP servers do, and what each message's outcome is then: on real sockets, against the server's own ledger."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from newsletter.model.message import OutcomeKind
from newsletter.providers.base import Batch, BatchResult, ProviderOptions
from newsletter.providers.smtp import SmtpProvider, SmtpSession, Timeouts
from tests.fakes.ledger import Fault
from tests.fakes.smtp import FakeSmtp
from tests.providers.conftest import make_batch, make_message

# A busy machine is no silent server.
PATIENT = Timeouts(connect=60, reply=60, data_end=60)
Start = Callable[..., FakeSmtp]

ACCEPTED, REJECTED = OutcomeKind.ACCEPTED, OutcomeKind.REJECTED
DEFERRED, UNKNOWN = OutcomeKind.DEFERRED, OutcomeKind.UNKNOWN


def connect_to(server: FakeSmtp, timeouts: Timeouts = PATIENT) -> SmtpSession:
    return SmtpProvider(
        ProviderOptions(name="smtp", host="127.0.0.1", port=server.port), timeouts=timeouts
    ).session()


def send(server: FakeSmtp, batch: Batch, timeouts: Timeouts = PATIENT) -> BatchResult:
    session = connect_to(server, timeouts)
    try:
        return session.send(batch)
    finally:
        session.close()


def kinds(result: BatchResult) -> dict[str, OutcomeKind]:
    """Outcome by delivery; each message has exactly one."""
    found = {outcome.delivery_id: outcome.kind for outcome in result.outcomes}
    assert len(found) == len(result.outcomes)
    return found


def expect(first: int, last: int, kind: OutcomeKind) -> dict[str, OutcomeKind]:
    return {f"d-{number}": kind for number in range(first, last + 1)}


@pytest.fixture(params=[True, False], ids=["pipelined", "lock-step"])
def pipelining(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


class TestOrdinaryDelivery:
    def test_every_message_arrives_byte_for_byte_with_its_own_envelope(
        self, fake_smtp: Start, pipelining: bool
    ) -> None:
        server = fake_smtp(pipelining=pipelining)
        batch = make_batch(7)
        result = send(server, batch)
        assert kinds(result) == expect(1, 7, ACCEPTED)
        assert result.hold is None
        assert [(m.sender, m.recipients, m.data) for m in server.messages] == [
            (m.sender, (m.recipient,), m.mime) for m in batch.messages
        ]

    def test_the_servers_queue_id_is_kept(self, fake_smtp: Start) -> None:
        outcome = send(fake_smtp(), make_batch(1)).outcomes[0]
        assert outcome.provider_id
        assert " " not in outcome.provider_id

    def test_one_connection_serves_many_batches_and_ends_with_quit(
        self, fake_smtp: Start, pipelining: bool
    ) -> None:
        server = fake_smtp(pipelining=pipelining)
        session = connect_to(server)
        for number in range(4):
            assert session.send(make_batch(3, first=1 + 3 * number)).hold is None
        session.close()
        session.close()
        assert len(server.ledger.entries) == 12
        assert server.connections == 1
        assert server.commands[-1] == "QUIT"

    def test_a_message_costs_one_round_trip_where_the_server_takes_groups(self, fake_smtp: Start) -> None:
        grouped, single = fake_smtp(), fake_smtp(pipelining=False)
        for server in (grouped, single):
            assert kinds(send(server, make_batch(10))) == expect(1, 10, ACCEPTED)
        # The greeting, EHLO, the first group and QUIT besides.
        assert grouped.round_trips == 10 + 4
        assert single.round_trips == 4 * 10 + 3

    def test_dots_are_stuffed(self, fake_smtp: Start, pipelining: bool) -> None:
        server = fake_smtp(pipelining=pipelining)
        body = b".\r\n.hidden\r\n..two\r\nend.\r\n"
        result = send(server, Batch("k", [make_message(1, body=body), make_message(2)]))
        assert kinds(result) == expect(1, 2, ACCEPTED)
        assert server.messages[0].data.endswith(b"\r\n\r\n" + body)

    def test_a_message_without_a_final_line_end_gets_one(self, fake_smtp: Start) -> None:
        server = fake_smtp()
        send(server, Batch("k", [make_message(1, body=b"no line end"), make_message(2)]))
        assert server.messages[0].data.endswith(b"no line end\r\n")
        assert len(server.messages) == 2

    @pytest.mark.parametrize(
        "body",
        [b"a\n.\r\nMAIL FROM:<x@y>\r\n", b"a\r\n.\n", b"a\r.\r\n", b"a\r\r\nb\r\n", b"a\n\rb\r\n", b"\n"],
    )
    def test_bare_line_ends_never_leave(self, fake_smtp: Start, body: bytes) -> None:
        server = fake_smtp()
        result = send(server, Batch("k", [make_message(1, body=body)]))
        assert kinds(result) == expect(1, 1, DEFERRED)
        assert result.hold is not None
        assert "bare" in result.hold.reason
        assert not server.messages
        assert not any(command.startswith("MAIL") for command in server.commands)

    @pytest.mark.parametrize(
        "address",
        [
            "a@b.example>\r\nRCPT TO:<evil@example.com",
            "a b@example.com",
            "a@b\x00",
            "<a@example.com>",
            "ü@example.com",
            "",
        ],
    )
    def test_an_address_that_could_end_the_command_is_rejected_alone(
        self, fake_smtp: Start, address: str
    ) -> None:
        server = fake_smtp()
        messages = [make_message(1), make_message(3)]
        odd = make_message(2)
        odd = type(odd)(odd.delivery_id, odd.sender, address, odd.mime)
        result = send(server, Batch("k", [messages[0], odd, messages[1]]))
        assert kinds(result) == {"d-1": ACCEPTED, "d-2": REJECTED, "d-3": ACCEPTED}
        assert set(server.ledger.recipients) == {"reader1@example.com", "reader3@example.com"}

    def test_a_non_ascii_mailbox_is_reached_where_the_server_offers_it(self, fake_smtp: Start) -> None:
        server = fake_smtp(extensions=("8BITMIME", "SMTPUTF8"))
        result = send(server, Batch("k", [make_message(1, recipient="jürgen@example.com")]))
        assert kinds(result) == expect(1, 1, ACCEPTED)
        assert server.ledger.recipients == Counter({"jürgen@example.com": 1})
        assert any(command.endswith(" SMTPUTF8 BODY=8BITMIME") for command in server.commands)

    @pytest.mark.parametrize(
        "header", [b"Reply-To: j\xc3\xbcrgen@example.com", b"From: \xc3\xbc@example.com"]
    )
    def test_an_eight_bit_header_leaves_only_through_a_server_that_takes_it(
        self, fake_smtp: Start, header: bytes
    ) -> None:
        plain = make_message(1)
        message = plain._replace(mime=header + b"\r\n" + plain.mime)
        server = fake_smtp(extensions=("8BITMIME", "SMTPUTF8"))
        assert kinds(send(server, Batch("k", [message]))) == expect(1, 1, ACCEPTED)
        assert any(command.endswith(" SMTPUTF8 BODY=8BITMIME") for command in server.commands)
        refused = send(fake_smtp(extensions=("8BITMIME",)), Batch("k", [message]))
        # It is about the sender: no reader's fault, and everybody's message is like it.
        assert kinds(refused) == expect(1, 1, DEFERRED)
        assert refused.hold is not None
        assert "reply_to" in refused.hold.hint

    def test_a_message_larger_than_the_server_takes_holds_the_send(self, fake_smtp: Start) -> None:
        server = fake_smtp(extensions=("SIZE 1000",))
        result = send(server, Batch("k", [make_message(1, body=b"x" * 70 + b"\r\n" * 800)]))
        assert kinds(result) == expect(1, 1, DEFERRED)
        assert result.hold is not None
        assert "1,000" in result.hold.reason
        assert "link" in result.hold.hint


class TestRefusals:
    def test_a_refused_recipient_leaves_the_others_alone(self, fake_smtp: Start, pipelining: bool) -> None:
        server = fake_smtp(pipelining=pipelining)
        server.faults.add(Fault("RCPT", "550 5.1.1 no such user", match="reader2@"))
        server.faults.add(Fault("RCPT", "450 4.2.0 greylisted", match="reader4@"))
        result = send(server, make_batch(5))
        assert kinds(result) == {
            "d-1": ACCEPTED, "d-2": REJECTED, "d-3": ACCEPTED, "d-4": DEFERRED, "d-5": ACCEPTED,
        }  # fmt: skip
        assert result.hold is None
        assert {o.reason for o in result.outcomes if o.kind is REJECTED} == {"550 5.1.1 no such user"}
        assert sum(server.ledger.recipients.values()) == 3

    def test_the_first_and_the_last_may_be_refused(self, fake_smtp: Start, pipelining: bool) -> None:
        server = fake_smtp(pipelining=pipelining)
        server.faults.add(Fault("RCPT", "550 5.1.1 no", match="reader1@"))
        server.faults.add(Fault("RCPT", "550 5.1.1 no", match="reader3@"))
        session = connect_to(server)
        assert kinds(session.send(make_batch(3))) == {"d-1": REJECTED, "d-2": ACCEPTED, "d-3": REJECTED}
        # The connection is in order afterwards, although a transaction was left open.
        assert kinds(session.send(make_batch(2, first=4))) == expect(4, 5, ACCEPTED)
        session.close()
        assert server.connections == 1

    def test_a_354_in_spite_of_a_refused_recipient_gets_its_lone_dot(self, fake_smtp: Start) -> None:
        # RFC 2920, 3.1: a server may answer so; without the dot the next command would be taken for text.
        server = fake_smtp()
        server.faults.add(Fault("RCPT", "550 5.1.1 no", match="reader2@"))
        server.accept_empty = True
        session = connect_to(server)
        assert kinds(session.send(make_batch(3))) == {"d-1": ACCEPTED, "d-2": REJECTED, "d-3": ACCEPTED}
        server.faults.add(Fault("RCPT", "550 5.1.1 no", match="reader5@"))
        assert kinds(session.send(make_batch(2, first=4))) == {"d-4": ACCEPTED, "d-5": REJECTED}
        assert kinds(session.send(make_batch(1, first=6))) == {"d-6": ACCEPTED}
        session.close()
        assert server.connections == 1
        assert "reader2@example.com" not in server.ledger.recipients

    @pytest.mark.parametrize(("at", "answer"), [("DATA", "451 4.3.0 later"), ("END", "451 4.7.1 later")])
    def test_a_temporary_refusal_of_the_text_defers_that_message(
        self, fake_smtp: Start, pipelining: bool, at: str, answer: str
    ) -> None:
        server = fake_smtp(pipelining=pipelining)
        server.faults.add(Fault(at, answer, match="reader2@"))
        result = send(server, make_batch(3))
        assert kinds(result) == {"d-1": ACCEPTED, "d-2": DEFERRED, "d-3": ACCEPTED}
        assert result.hold is None

    @pytest.mark.parametrize(
        ("at", "answer"), [("DATA", "554 5.5.0 no"), ("END", "554 5.6.0 refused"), ("END", "550 5.7.1 spam")]
    )
    @pytest.mark.parametrize("refused", [1, 2, 3])
    def test_a_refused_text_counts_against_the_recipient_where_the_server_takes_others(
        self, fake_smtp: Start, pipelining: bool, at: str, answer: str, refused: int
    ) -> None:
        server = fake_smtp(pipelining=pipelining)
        server.faults.add(Fault(at, answer, match=f"reader{refused}@"))
        result = send(server, make_batch(3))
        assert kinds(result) == {**expect(1, 3, ACCEPTED), f"d-{refused}": REJECTED}
        assert result.hold is None

    @pytest.mark.parametrize("at", ["RCPT", "DATA", "END"])
    def test_a_server_that_refuses_us_altogether_rejects_nobody(
        self, fake_smtp: Start, pipelining: bool, at: str
    ) -> None:
        server = fake_smtp(pipelining=pipelining)
        server.faults.add(Fault(at, "554 5.7.1 client host blocked using a list"))
        result = send(server, make_batch(20))
        assert kinds(result) == expect(1, 20, DEFERRED)
        assert result.hold is not None
        assert result.hold.retry_after is None
        assert result.hold.hint
        # It noticed after a few, rather than insisting twenty times.
        assert sum(command.startswith("MAIL") for command in server.commands) <= 6

    def test_a_server_that_turns_on_us_midway_rejects_nobody(self, fake_smtp: Start) -> None:
        server = fake_smtp()
        server.faults.add(Fault("END", "550 5.7.1 too much mail", after=5))
        session = connect_to(server)
        results = [session.send(make_batch(5, first=1)), session.send(make_batch(10, first=6))]
        session.close()
        assert kinds(results[0]) == expect(1, 5, ACCEPTED)
        assert kinds(results[1]) == expect(6, 15, DEFERRED)
        assert results[1].hold is not None

    @pytest.mark.parametrize(
        ("at", "answer", "hint"),
        [
            ("MAIL", "530 5.7.0 authentication required", "NEWSLETTER_SMTP_PASSWORD"),
            ("MAIL", "550 5.7.1 sender not allowed", "from"),
            ("MAIL", "553 5.1.8 bad sender", "from"),
            ("RCPT", "530 5.7.57 not logged in", "NEWSLETTER_SMTP_PASSWORD"),
            ("RCPT", "554 5.7.1 relay access denied", "relay"),
            ("END", "550 5.7.515 access denied, SPF and DKIM", "DKIM"),
        ],
    )
    def test_a_refusal_of_the_sender_holds_the_send_and_says_what_to_do(
        self, fake_smtp: Start, pipelining: bool, at: str, answer: str, hint: str
    ) -> None:
        server = fake_smtp(pipelining=pipelining)
        server.faults.add(Fault(at, answer))
        result = send(server, make_batch(8))
        assert kinds(result) == expect(1, 8, DEFERRED)
        assert result.hold is not None
        assert result.hold.retry_after is None
        assert hint in result.hold.hint
        assert not server.ledger.entries

    def test_a_busy_server_is_given_time(self, fake_smtp: Start, pipelining: bool) -> None:
        server = fake_smtp(pipelining=pipelining)
        server.faults.add(Fault("MAIL", "451 4.7.0 rate limit", after=2))
        result = send(server, make_batch(6))
        assert kinds(result) == {**expect(1, 2, ACCEPTED), **expect(3, 6, DEFERRED)}
        assert result.hold is not None
        assert result.hold.retry_after

    def test_many_temporary_refusals_in_a_row_are_a_busy_server(self, fake_smtp: Start) -> None:
        server = fake_smtp()
        server.faults.add(Fault("RCPT", "451 4.3.2 later"))
        result = send(server, make_batch(20))
        assert kinds(result) == expect(1, 20, DEFERRED)
        assert result.hold is not None
        assert result.hold.retry_after
        assert sum(command.startswith("RCPT") for command in server.commands) == 5


class TestLostConnections:
    def test_a_dot_that_was_written_and_never_answered_is_unknown_and_the_rest_goes_on(
        self, fake_smtp: Start, pipelining: bool
    ) -> None:
        for action, in_ledger in (("accept-close", 1), ("close", 0)):
            server = fake_smtp(pipelining=pipelining)
            server.faults.add(Fault("END", action, match="reader3@", times=1))
            result = send(server, make_batch(6))
            assert kinds(result) == {**expect(1, 6, ACCEPTED), "d-3": UNKNOWN}
            assert result.hold is None
            assert server.ledger.recipients["reader3@example.com"] == in_ledger
            assert max(server.ledger.recipients.values()) == 1

    @pytest.mark.parametrize("at", ["MAIL", "RCPT", "DATA"])
    def test_a_connection_cut_before_the_dot_loses_nothing(
        self, fake_smtp: Start, pipelining: bool, at: str
    ) -> None:
        server = fake_smtp(pipelining=pipelining)
        server.faults.add(
            Fault(
                at, "close", match="" if at == "MAIL" else "reader3@", after=2 if at == "MAIL" else 0, times=1
            )
        )
        result = send(server, make_batch(6))
        assert kinds(result) == expect(1, 6, ACCEPTED)
        assert server.ledger.recipients == Counter(f"reader{n}@example.com" for n in range(1, 7))

    def test_a_text_that_was_cut_halfway_is_sent_again(self, fake_smtp: Start, pipelining: bool) -> None:
        # The server stops reading in the middle of a text far larger than the socket's buffers.
        server = fake_smtp(pipelining=pipelining)
        server.cut_text_after = 100_000
        large = make_message(2, body=b"x" * 76 + b"\r\n" + (b"y" * 76 + b"\r\n") * 200_000)
        result = send(server, Batch("k", [make_message(1), large, make_message(3)]))
        assert kinds(result) == expect(1, 3, ACCEPTED)
        assert server.ledger.recipients == Counter(f"reader{n}@example.com" for n in range(1, 4))

    def test_silence_after_the_dot_is_unknown(self, fake_smtp: Start, pipelining: bool) -> None:
        server = fake_smtp(pipelining=pipelining)
        server.faults.add(Fault("END", "accept-hang", match="reader2@", times=1, seconds=60))
        result = send(server, make_batch(3), Timeouts(connect=60, reply=60, data_end=2))
        assert kinds(result) == {**expect(1, 3, ACCEPTED), "d-2": UNKNOWN}

    def test_a_server_that_always_drops_us_is_left_alone_soon(
        self, fake_smtp: Start, pipelining: bool
    ) -> None:
        server = fake_smtp(pipelining=pipelining)
        server.faults.add(Fault("END", "accept-close"))
        result = send(server, make_batch(20))
        assert kinds(result) == {**expect(1, 2, UNKNOWN), **expect(3, 20, DEFERRED)}
        assert result.hold is not None
        assert result.hold.retry_after
        assert server.ledger.recipients == Counter(["reader1@example.com", "reader2@example.com"])

    def test_a_limit_of_messages_per_connection_is_met_by_a_new_one(
        self, fake_smtp: Start, pipelining: bool
    ) -> None:
        server = fake_smtp(pipelining=pipelining, per_connection=3)
        result = send(server, make_batch(10))
        assert kinds(result) == expect(1, 10, ACCEPTED)
        assert result.hold is None
        assert server.connections == 4
        assert max(server.ledger.recipients.values()) == 1

    @pytest.mark.parametrize("at", ["RCPT", "DATA", "END"])
    def test_421_anywhere_defers_that_message_and_the_rest_goes_on(
        self, fake_smtp: Start, pipelining: bool, at: str
    ) -> None:
        server = fake_smtp(pipelining=pipelining)
        server.faults.add(Fault(at, "421 4.3.2 shutting down", match="reader3@"))
        result = send(server, make_batch(5))
        assert kinds(result) == {**expect(1, 5, ACCEPTED), "d-3": DEFERRED}
        assert result.hold is None

    def test_a_connection_cut_while_idle_is_replaced_without_a_word(
        self, fake_smtp: Start, pipelining: bool
    ) -> None:
        server = fake_smtp(pipelining=pipelining)
        session = connect_to(server)
        session.send(make_batch(2))
        server.drop_connections()
        time.sleep(0.05)
        assert kinds(session.send(make_batch(2, first=3))) == expect(3, 4, ACCEPTED)
        session.close()
        assert server.connections == 2

    def test_a_connection_idle_for_long_is_replaced(self, fake_smtp: Start) -> None:
        server = fake_smtp()
        session = connect_to(server, Timeouts(connect=60, reply=60, data_end=60, idle=0))
        session.send(make_batch(1))
        session.send(make_batch(1, first=2))
        session.close()
        assert server.connections == 2

    def test_an_answer_that_is_no_smtp_leaves_the_message_unknown(self, fake_smtp: Start) -> None:
        server = fake_smtp()
        server.faults.add(Fault("END", "HTTP/1.1 200 OK", match="reader2@", times=1))
        result = send(server, make_batch(3))
        assert kinds(result) == {**expect(1, 3, ACCEPTED), "d-2": UNKNOWN}


class TestNoConnection:
    def test_a_closed_port_holds_the_send_with_a_hint(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        options = ProviderOptions(name="smtp", host="127.0.0.1", port=port)
        result = SmtpProvider(options, timeouts=PATIENT).session().send(make_batch(3))
        assert kinds(result) == expect(1, 3, DEFERRED)
        assert result.hold is not None
        assert result.hold.retry_after is None
        assert f"127.0.0.1:{port}" in result.hold.reason
        assert "provider.port" in result.hold.hint

    def test_a_server_that_went_away_during_the_send_is_waited_for(self, fake_smtp: Start) -> None:
        server = fake_smtp()
        session = connect_to(server)
        session.send(make_batch(1))
        server.close()
        result = session.send(make_batch(2, first=2))
        assert kinds(result) == expect(2, 3, DEFERRED)
        assert result.hold is not None
        assert result.hold.retry_after

    def test_an_unknown_host_holds_the_send(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*args: object, **kwargs: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        options = ProviderOptions(name="smtp", host="smtp.invalid", port=587)
        result = SmtpProvider(options, timeouts=PATIENT).session().send(make_batch(1))
        assert result.hold is not None
        assert "smtp.invalid" in result.hold.reason
        assert "provider.host" in result.hold.hint

    @pytest.mark.parametrize(
        ("greeting", "retry"),
        [("421 4.3.2 too many connections", True), ("554 5.7.1 no mail from you", False)],
    )
    def test_a_refused_greeting_waits_or_holds(self, fake_smtp: Start, greeting: str, retry: bool) -> None:
        server = fake_smtp()
        server.faults.add(Fault("CONNECT", greeting))
        result = send(server, make_batch(2))
        assert kinds(result) == expect(1, 2, DEFERRED)
        assert result.hold is not None
        assert bool(result.hold.retry_after) is retry
        assert greeting[4:] in result.hold.reason

    def test_a_server_that_never_greets_is_given_up(self, fake_smtp: Start) -> None:
        server = fake_smtp()
        server.faults.add(Fault("CONNECT", "hang", seconds=60))
        session = connect_to(server, Timeouts(connect=0.3, reply=0.3))
        result = session.send(make_batch(2))
        assert kinds(result) == expect(1, 2, DEFERRED)
        assert result.hold is not None


class TestManySessionsAtOnce:
    def test_parallel_sessions_deliver_each_message_once(self, fake_smtp: Start) -> None:
        from concurrent.futures import ThreadPoolExecutor

        server = fake_smtp(per_connection=40)
        provider = SmtpProvider(
            ProviderOptions(name="smtp", host="127.0.0.1", port=server.port), timeouts=PATIENT
        )

        def work(worker: int) -> list[BatchResult]:
            session = provider.session()
            try:
                return [session.send(make_batch(20, first=1 + worker * 100 + 20 * n)) for n in range(5)]
            finally:
                session.close()

        with ThreadPoolExecutor(6) as pool:
            results = [result for group in pool.map(work, range(6)) for result in group]
        assert all(o.kind is ACCEPTED for r in results for o in r.outcomes)
        assert server.ledger.recipients == Counter(f"reader{n}@example.com" for n in range(1, 601))

    @pytest.mark.parametrize("greeting", ["421", "close"])
    def test_where_the_server_allows_few_connections_the_sessions_share_them(
        self, fake_smtp: Start, greeting: str
    ) -> None:
        from concurrent.futures import ThreadPoolExecutor

        server = fake_smtp(latency=0.005)
        if greeting == "421":
            server.at_once = 2
        else:
            server.faults.add(Fault("CONNECT", "close", after=2))
        provider = SmtpProvider(
            ProviderOptions(name="smtp", host="127.0.0.1", port=server.port), timeouts=PATIENT
        )

        # One of them first, as when a send begins; then all at once.
        sessions = [provider.session() for _ in range(6)]
        assert kinds(sessions[0].send(make_batch(1, first=1000))) == expect(1000, 1000, ACCEPTED)

        def work(number: int) -> list[BatchResult]:
            return [sessions[number].send(make_batch(5, first=1 + number * 100 + 5 * n)) for n in range(4)]

        with ThreadPoolExecutor(6) as pool:
            results = [result for group in pool.map(work, range(6)) for result in group]
        for session in sessions:
            session.close()
        assert all(r.hold is None and all(o.kind is ACCEPTED for o in r.outcomes) for r in results)
        assert len(server.ledger.entries) == 121
        assert set(server.ledger.recipients.values()) == {1}


def test_a_password_never_shows(fake_smtp: Start) -> None:
    server = fake_smtp(users={"news": "right"})
    server.faults.add(Fault("AUTH", "535 5.7.8 bad password s3cret-word for news"))
    options = ProviderOptions(
        name="smtp", host="127.0.0.1", port=server.port, username="news", secret=SecretStr("s3cret-word")
    )
    provider = SmtpProvider(options, timeouts=PATIENT)
    result = provider.session().send(make_batch(1))
    assert result.hold is not None
    assert result.hold.retry_after is None
    assert "NEWSLETTER_SMTP_PASSWORD" in result.hold.hint
    assert "s3cret" not in repr(result) + repr(vars(provider))
