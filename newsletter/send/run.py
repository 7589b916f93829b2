"""What happens between "send it" and the last message? Freeze, lock, send; and the same again after any interruption."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from newsletter.clock import Clock
from newsletter.errors import NewsletterError, UsageError
from newsletter.model.delivery import SendState
from newsletter.model.message import Outcome, OutcomeKind
from newsletter.providers.base import ContentForm, Hold, Provider
from newsletter.render.dkim import DkimSigner
from newsletter.render.message import MessageWriter
from newsletter.send.engine import LEASE_SECONDS, Ending, Engine
from newsletter.send.forecast import Forecast, forecast
from newsletter.send.frozen import Frozen, thaw
from newsletter.send.interpreter import long_lived
from newsletter.send.lease import SendLock, owner_name, same_machine
from newsletter.send.limits import Limits, Wishes
from newsletter.send.messages import MessageSource
from newsletter.send.origin import Origin
from newsletter.send.quota import used
from newsletter.send.recipients import Tokens
from newsletter.send.senders import open_session
from newsletter.send.sizes import fits_in_a_call
from newsletter.store import deliveries, undelivered
from newsletter.store.base import Database, Transaction
from newsletter.store.send_records import ClaimedBatch, NewSend, Person, SendRecord, Tally
from newsletter.store.sends import SendLedger

TEST_PREFIX = "[Test] "
TAKEN_BACK = "taken back before anything had left"
__all__ = [
    "Desk",
    "StopSwitch",
    "Wishes",
    "begin",
    "resume",
    "sample_mime",
    "send_name",
    "send_test",
    "start",
    "try_out",
]


@dataclass(slots=True)
class StopSwitch:
    """Whether somebody wants the send to stop; pressed by a signal handler."""

    pressed: bool = False
    _engine: Engine | None = None

    def press(self) -> None:
        """Ask for a clean stop."""
        self.pressed = True
        if self._engine is not None:
            self._engine.stop()

    def connect(self, engine: Engine) -> None:
        """From now on stop `engine`, also where the switch was pressed before."""
        self._engine = engine
        if self.pressed:
            engine.stop()


@dataclass(slots=True)
class Desk:
    """What sending needs of its surroundings.

    Attributes:
        state_dir: where locks are kept.
        provider: makes the provider of a name, for the send's name.
        dkim: makes what signs messages, or None.
        on_turn: told the tally after every turn.
        on_wait: told why a send waits, and for how many seconds.
        sandbox: whether the provider is asked to deliver nothing.
    """

    db: Database
    state_dir: Path
    clock: Clock
    signer: Tokens
    provider: Callable[[str, str], Provider]
    dkim: Callable[[], DkimSigner | None]
    wishes: Wishes = field(default_factory=Wishes)
    stop: StopSwitch = field(default_factory=StopSwitch)
    on_turn: Callable[[Tally], None] = lambda _: None
    on_wait: Callable[[str, float], None] = lambda _reason, _seconds: None
    sandbox: bool = False

    @property
    def origin(self) -> Origin:
        """Whether the store is the one that last sent."""
        return Origin(self.db, self.state_dir)

    @property
    def ledger(self) -> SendLedger:
        """The ledger of the store."""
        return SendLedger(self.db)

    def source(self, frozen: Frozen, provider: Provider, send_id: int, prefix: str = "") -> MessageSource:
        """Makes the messages of `frozen` as `provider` wants them."""
        capabilities = provider.capabilities
        # A provider with an API signs itself: it changes what it gets.
        dkim = self.dkim() if provider.name == "smtp" else None

        def writer() -> MessageWriter:
            return MessageWriter(
                frozen.compiled,
                frozen.publication,
                send_key=f"send-{send_id}",
                dkim=dkim,
                subject_prefix=prefix,
                non_ascii_mailbox=capabilities.writes_to_non_ascii,
            )

        return MessageSource(
            frozen, send_id=send_id, form=capabilities.content, signer=self.signer, writer=writer
        )

    def limits(self, provider: Provider, frozen: Frozen) -> Limits:
        """How fast `frozen` may go through `provider`.

        Raises:
            UsageError: not even one message fits into a call.
        """
        fits = fits_in_a_call(provider, self.source(frozen, provider, 0))
        return self.wishes.limits(provider.capabilities, fits=fits)

    def forecast(self, provider: Provider, frozen: Frozen, count: int) -> Forecast:
        """When a send of `frozen` to `count` people would be finished if it began now.

        Raises:
            UsageError: not even one message fits into a call.
        """
        limits, now = self.limits(provider, frozen), self.clock.now()
        spent = used(self.db, provider.name, now) if limits.daily_quota else 0
        return forecast(count, limits, now, used=spent)


def send_name(number: int, slug: str, send_id: int) -> str:
    """How a send is called outside the store, as in the outbox: `042-hybrid-retrieval-7`."""
    return f"{number:03}-{slug}-{send_id}"


def start(desk: Desk, new: NewSend, *, expect: int | None = None) -> Ending:
    """Freeze `new` and its audience, and send it.

    Raises:
        UsageError: the frozen audience is empty, or isn't `expect`; then nothing was sent or kept.
        CopiedStoreError: the issue was sent before from the store this one is a copy of: to whom since?
        NewsletterError: a send of this issue is under way, or the list is being imported.
    """
    if desk.ledger.reached_by(new.slug):
        desk.origin.require(new.slug)
    _wait_for_whole_list(desk)
    return begin(desk, desk.ledger.create(new, desk.clock.now()), expect=expect)


def begin(desk: Desk, send_id: int, *, expect: int | None = None) -> Ending:
    """Send what was created a moment ago, after the hold; stopped within it, the send is taken back.

    Raises:
        UsageError: the frozen audience is empty, or isn't `expect`; then nothing was sent or kept.
    """
    ending = _work(desk, send_id, expect=expect, fresh=True)
    tally = ending.tally
    if ending.interrupted and desk.wishes.hold and tally.pending + tally.skipped == tally.total:
        unfinished = (SendState.FREEZING, SendState.SENDING, SendState.PAUSED)
        now = desk.clock.now()
        if desk.ledger.change_state(send_id, SendState.CANCELLED, unfinished, note=TAKEN_BACK, now=now):
            return replace(ending, state=SendState.CANCELLED, note=TAKEN_BACK)
    return ending


def try_out(desk: Desk, provider: str, content: bytes, content_hash: str) -> None:
    """Find out whether frozen content could be sent under the settings of now; nothing is touched.

    Raises:
        NewsletterError: a setting or a key is wrong or missing, or the content is damaged.
    """
    through = desk.provider(provider, "try-out")
    frozen = thaw(content, content_hash)
    desk.source(frozen, through, 0).maker()
    desk.limits(through, frozen)


def _wait_for_whole_list(desk: Desk) -> None:
    """Refuse to freeze half a list: opening the store finished any import that had died, so one is at work now."""
    if desk.ledger.importing():
        raise NewsletterError(
            "an import is being merged into the list by another process",
            hint="let it end (newsletter subscribers stats), then send",
        )


def resume(desk: Desk, send_id: int, *, take_over: bool = False) -> Ending:
    """Go on with a send where it stands; as often as needed, also when nothing is left.

    Args:
        desk: the surroundings.
        send_id: the send.
        take_over: go on from a copy of the store: whatever is open in it is unknown from now on.

    Raises:
        CopiedStoreError: this store is a copy, and isn't meant to take over.
        NewsletterError: another process is at it.
    """
    return _work(desk, send_id, take_over=take_over)


def _work(
    desk: Desk, send_id: int, *, expect: int | None = None, fresh: bool = False, take_over: bool = False
) -> Ending:
    ledger = desk.ledger
    with SendLock(desk.state_dir, send_id, ledger.get(send_id).slug):
        record = ledger.get(send_id)
        copied = take_over and bool(desk.origin.doubt())
        if record.state is SendState.CANCELLED or (
            record.state is SendState.SENT and not ledger.tally(send_id).unknown
        ):
            if copied:
                desk.origin.adopt(desk.clock.now())
            return Ending(record.state, ledger.tally(send_id), record.note)
        if not fresh and not copied:
            desk.origin.require(record.slug)
        _require_same_sandbox(desk, record)
        if record.state is SendState.FREEZING and not fresh:
            _wait_for_whole_list(desk)
        # Both can fail for a wrong setting: before the send is touched.
        provider = desk.provider(record.provider, send_name(record.number, record.slug, send_id))
        frozen = thaw(ledger.content(send_id), record.content_hash)
        source = desk.source(frozen, provider, send_id)
        source.maker()
        epoch = _take_over(desk, record, stamped=not copied)
        if record.state is SendState.FREEZING:
            if not _freeze(desk, send_id, epoch):
                return Ending(record.state, ledger.tally(send_id), interrupted=True)
            _check_audience(desk, record, epoch, expect)
        if copied:
            _doubt_everything_open(desk, send_id, epoch)
        limits = desk.limits(provider, frozen)
        if record.state is not SendState.FREEZING:
            _reopen(desk, send_id, epoch)
        with closing(desk.origin.witness()) as witness, long_lived():
            engine = Engine(
                desk.db,
                send_id,
                epoch,
                provider=provider,
                source=source,
                limits=limits if fresh else replace(limits, hold=0.0),
                clock=desk.clock,
                on_turn=desk.on_turn,
                on_wait=desk.on_wait,
                on_claimed=witness.note,
            )
            desk.stop.connect(engine)
            return engine.run()


def _lease_end(desk: Desk) -> datetime:
    return desk.clock.now() + timedelta(seconds=LEASE_SECONDS)


def _require_same_sandbox(desk: Desk, record: SendRecord) -> None:
    """A send is for real or isn't: half of each, and nobody could say who got it."""
    if record.epoch and record.sandbox != desk.sandbox:
        was, setting = ("in the sandbox", "true") if record.sandbox else ("for real", "false")
        raise UsageError(
            f"the send of `{record.slug}` was begun {was}, and goes on so",
            hint=f"set `sandbox = {setting}` in `[provider]`, or give it up: newsletter cancel {record.slug}",
        )


def _doubt_everything_open(desk: Desk, send_id: int, epoch: int) -> None:
    """The store this one was copied from may have sent it."""

    def settle(tx: Transaction) -> None:
        deliveries.renew(tx, send_id, epoch, _lease_end(desk))
        undelivered.doubt_open(tx, send_id, "the store this one is a copy of may have sent it")

    desk.origin.adopt(desk.clock.now(), settle)


def _take_over(desk: Desk, record: SendRecord, *, stamped: bool) -> int:
    """Become the holder; the lock speaks for this machine, the lease for others."""
    now = desk.clock.now()
    if (
        record.lease_owner
        and record.lease_until is not None
        and not same_machine(record.lease_owner)
        # A lease further away than leases are long comes from a clock that was wrong.
        and now < record.lease_until <= now + timedelta(seconds=LEASE_SECONDS)
    ):
        wait = (record.lease_until - now).total_seconds()
        raise NewsletterError(
            f"`{record.slug}` was last sent from another machine, or before a reboot: {record.lease_owner.rpartition(':')[0]}",
            hint=f"if that process is gone, try again in {wait:.0f} seconds, when its lease has run out",
        )
    return desk.ledger.take_over(
        record,
        owner_name(),
        _lease_end(desk),
        sender=desk.origin.stamp(now) if stamped else "",
        sandbox=desk.sandbox,
    )


def _reopen(desk: Desk, send_id: int, epoch: int) -> None:
    """Back to sending, unless it was cancelled a moment ago: the engine sees that at its first turn."""
    with desk.db.write() as tx:
        state, _ = deliveries.renew(tx, send_id, epoch, _lease_end(desk))
        if state is not SendState.CANCELLED:
            deliveries.finish(tx, send_id, SendState.SENDING, "", desk.clock.now())


def _freeze(desk: Desk, send_id: int, epoch: int) -> bool:
    """Write the audience down; false where somebody pressed stop."""
    while not desk.stop.pressed:
        if desk.ledger.freeze_chunk(send_id, epoch, _lease_end(desk)) is None:
            return True
    return False


def _check_audience(desk: Desk, record: SendRecord, epoch: int, expect: int | None) -> None:
    """Count what was frozen against what was asked for, and let sending begin."""
    audience = desk.ledger.count_frozen(record.id)
    if not audience:
        desk.ledger.discard(record.id, epoch)
        raise UsageError("nobody is left to send to", hint="newsletter subscribers list --status active")
    if expect is not None and audience != expect:
        desk.ledger.discard(record.id, epoch)
        raise UsageError(
            f"the audience is {audience}, not {expect}: the list changed a moment ago",
            hint=f"nothing was sent; look at the list, then send with --expect-count {audience}",
        )
    desk.ledger.finish_freezing(record.id, epoch, _lease_end(desk))


def send_test(desk: Desk, frozen: Frozen, provider: Provider, address: str) -> Outcome:
    """Send one marked message to `address`; it belongs to no send and leaves no trace in the ledger.

    Raises:
        NewsletterError: the message can't be written or the provider won't take it now.
    """
    source = desk.source(frozen, provider, 0, TEST_PREFIX)
    # A number nobody on the list has, and another each time: mailboxes drop a second Message-ID of the same name.
    person = Person(secrets.randbits(40) | 1 << 40, address, "", "{}", 1)
    made = source.maker()(ClaimedBatch(0, f"nl-test-{secrets.token_hex(12)}", desk.clock.now(), (person,)))
    if made.refused:
        raise NewsletterError(made.refused[0][1], hint="choose another address")
    session = open_session(provider)
    try:
        result = session.send(made.batch)
    finally:
        session.close()
    if result.hold is not None:
        raise NewsletterError(f"{provider.name}: {result.hold.reason}", hint=_way_out(result.hold))
    return result.outcomes[0] if result.outcomes else Outcome("", OutcomeKind.UNKNOWN)


def _way_out(hold: Hold) -> str:
    if hold.hint or hold.retry_after is None:
        return hold.hint
    return f"try again in {max(1, math.ceil(hold.retry_after))} seconds"


def sample_mime(
    frozen: Frozen, person: Person, signer: Tokens, at: datetime, dkim: DkimSigner | None
) -> bytes:
    """The whole message one subscriber would get, headers included."""
    writer = MessageWriter(
        frozen.compiled, frozen.publication, send_key="send-0", dkim=dkim, non_ascii_mailbox=True
    )
    source = MessageSource(frozen, send_id=0, form=ContentForm.MIME, signer=signer, writer=lambda: writer)
    return writer.mime(source.recipients.make(person), at).mime
