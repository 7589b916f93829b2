"""What became of each message of a batch? The message loop: one round trip a message where the server allows.

Over one connection the bytes go like this; each line of the left column is one write, and the replies
come back in order (RFC 2920, section 3.1):

    MAIL RCPT DATA                            250 250 354
    message 1 + "." + MAIL RCPT DATA          250(1) 250 250 354
    message 2 + "." + MAIL RCPT DATA          250(2) 250 250 354
    …
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from newsletter.model.message import Message, Outcome, OutcomeKind
from newsletter.providers.base import Batch, BatchResult, Hold
from newsletter.providers.smtp.connect import Link, Lost, Unreachable
from newsletter.providers.smtp.envelope import Unfit, Unsendable, commands, wire_form
from newsletter.providers.smtp.pool import Pool
from newsletter.providers.smtp.replies import Reply, Stage, Verdict, hint_for, judge, queue_id

# So many refusals one after another are about us, not about so many people.
_IN_A_ROW = 5
_BUSY_SECONDS = 60.0
_STAGES = (Stage.MAIL, Stage.RCPT, Stage.DATA)


class _Stop(Exception):  # noqa: N818 - ends the batch, as planned
    """Nothing more of this batch is to be tried now."""

    def __init__(self, hold: Hold) -> None:
        super().__init__(hold.reason)
        self.hold = hold


@dataclass
class _Progress:
    """A batch under way. The head of `queue` is the message whose fate is open."""

    queue: deque[Message]
    outcomes: list[Outcome] = field(default_factory=list)
    doubtful: list[tuple[Message, Reply]] = field(default_factory=list)
    deferred_in_a_row: int = 0
    fruitless: int = 0  # connections that took nothing

    def settle(self, message: Message, kind: OutcomeKind, reason: str, provider_id: str = "") -> None:
        """Note what became of `message`."""
        self.outcomes.append(Outcome(message.delivery_id, kind, provider_id, reason))


class SmtpSession:
    """Delivers one sender thread's batches; see `providers.base.Session`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._refused_in_a_row = 0

    def send(self, batch: Batch) -> BatchResult:
        """Send each message in its own transaction; never raises for what a network or a server does."""
        progress = _Progress(deque(batch.messages))
        hold: Hold | None = None
        try:
            while progress.queue:
                self._deliver_some(progress)
        except Unreachable as failure:
            hold = failure.hold
        except _Stop as stop:
            hold = stop.hold
        hold = self._decide_doubtful(progress) or hold
        if hold is not None:
            for message in progress.queue:
                progress.settle(message, OutcomeKind.DEFERRED, hold.reason)
        return BatchResult(progress.outcomes, hold)

    def close(self) -> None:
        """Say QUIT on a connection nobody uses; quiet when it is gone already."""
        self._pool.close_one()

    def _deliver_some(self, progress: _Progress) -> None:
        """Deliver over one connection until the queue is empty or the connection is over."""
        link = self._pool.take()
        intact = False
        try:
            _Transfer(self, link, progress).run()
            intact = True
        except Unfit as flaw:
            raise _Stop(Hold(flaw.reason, flaw.hint)) from None
        except Lost as lost:
            # A connection that ends after it did some work has reached its limit, or was cut while idle;
            # two that did none are a server in trouble.
            if not link.accepted:
                progress.fruitless += 1
                if progress.fruitless >= 2:
                    reason = f"{self._pool.host}: {lost.reason}"
                    raise _Stop(Hold(reason, retry_after=_BUSY_SECONDS)) from None
        finally:
            if intact:
                self._pool.give_back(link)
            else:
                self._pool.discard(link)

    def judge_message(self, progress: _Progress, message: Message, stage: Stage, reply: Reply) -> None:
        """Settle `message`, the head of the queue, by the server's answer.

        Raises:
            _Stop: the answer is about the sender or the server, not about this message alone.
        """
        verdict = judge(stage, reply)
        if verdict is Verdict.HOLD:
            raise _Stop(Hold(f"{self._pool.host} refused: {reply}", hint_for(reply)))
        progress.queue.popleft()
        match verdict:
            case Verdict.OK:
                self._pool.takes_mail = True
                self._refused_in_a_row = progress.deferred_in_a_row = 0
                if progress.doubtful:
                    self._reject_doubtful(progress)
                progress.settle(message, OutcomeKind.ACCEPTED, "", queue_id(reply))
            case Verdict.REJECTED:
                progress.settle(message, OutcomeKind.REJECTED, str(reply))
            case Verdict.DOUBTFUL:
                self._refused_in_a_row += 1
                progress.doubtful.append((message, reply))
                if self._refused_in_a_row >= _IN_A_ROW:
                    raise _Stop(Hold(f"{self._pool.host} refuses everything: {reply}", hint_for(reply)))
            case Verdict.DEFERRED | Verdict.BUSY:
                progress.settle(message, OutcomeKind.DEFERRED, str(reply))
                progress.deferred_in_a_row += 1
                if verdict is Verdict.BUSY or progress.deferred_in_a_row >= _IN_A_ROW:
                    reason = f"{self._pool.host} asks for patience: {reply}"
                    raise _Stop(Hold(reason, retry_after=_BUSY_SECONDS))

    def _decide_doubtful(self, progress: _Progress) -> Hold | None:
        """Whose fault were the refusals nobody's acceptance has explained? The reason to hold, where it was ours."""
        if not progress.doubtful:
            return None
        if self._pool.takes_mail and self._refused_in_a_row < _IN_A_ROW:
            self._reject_doubtful(progress)
            return None
        _, reply = progress.doubtful[-1]
        for message, said in progress.doubtful:
            progress.settle(message, OutcomeKind.DEFERRED, str(said))
        return Hold(f"{self._pool.host} refused: {reply}", hint_for(reply))

    def _reject_doubtful(self, progress: _Progress) -> None:
        """The server takes other messages, so these refusals were about these recipients."""
        for message, reply in progress.doubtful:
            progress.settle(message, OutcomeKind.REJECTED, str(reply))
        progress.doubtful.clear()


class _Transfer:
    """The message loop over one connection."""

    def __init__(self, session: SmtpSession, link: Link, progress: _Progress) -> None:
        self._session = session
        self._link = link
        self._progress = progress
        self._current: Message | None = None  # the message whose text is `_ahead`; still the queue's head
        self._ahead = b""  # what goes before the next group of commands: a text and its dot, or a lone dot

    def run(self) -> None:
        """Deliver the queue.

        Raises:
            Lost: the connection is over; what may have been accepted is settled as unknown,
                everything else is still in the queue.
            _Stop: see `SmtpSession.judge_message`.
        """
        while self._progress.queue or self._ahead:
            upcoming, group = self._next_group()
            if self._ahead:
                self._send_ahead(b"".join(group) if self._link.pipelining else b"")
                replies = self._answers(group, written=self._link.pipelining)
            else:
                replies = self._answers(group, written=False)
            if upcoming is not None:
                self._take_up(upcoming, replies)

    def _next_group(self) -> tuple[Message | None, list[bytes]]:
        """The next message that can be sent at all, and its commands; none where the queue ends."""
        queue = self._progress.queue
        position = 0 if self._current is None else 1
        while len(queue) > position:
            message = queue[position]
            try:
                group = commands(self._link, message)
            except Unsendable as flaw:
                del queue[position]
                self._progress.settle(message, OutcomeKind.REJECTED, flaw.reason)
            else:
                return message, [b"RSET\r\n", *group] if self._link.mid_transaction else group
        return None, []

    def _send_ahead(self, following: bytes) -> None:
        """Send the open message's text, with the next commands where they may follow, and settle it by the answer."""
        link, message, text = self._link, self._current, self._ahead
        self._ahead, self._current = b"", None
        try:
            link.write(text + following)
            reply = link.read(final=True)
        except Lost as lost:
            # Where the dot didn't leave whole, the server can't have accepted: the message stays in the queue.
            if message is not None and link.written >= len(text):
                self._progress.queue.popleft()
                reason = f"the answer to the message was lost: {lost.reason}"
                self._progress.settle(message, OutcomeKind.UNKNOWN, reason)
            raise
        if message is not None:
            if judge(Stage.END, reply) is Verdict.OK:
                link.accepted += 1
            self._session.judge_message(self._progress, message, Stage.END, reply)
        if reply.code == 421:
            raise Lost(str(reply))

    def _answers(self, group: list[bytes], *, written: bool) -> list[Reply]:
        """The replies to a group's commands, in order; unpipelined, one at a time and none after a refusal."""
        link = self._link
        if link.pipelining and not written:
            link.write(b"".join(group))
        replies: list[Reply] = []
        for command in group:
            if not link.pipelining:
                link.write(command)
            replies.append(link.read())
            if replies[-1].code == 421 or (not link.pipelining and replies[-1].code >= 400):
                break  # after 421 nothing more is answered
        if replies and link.mid_transaction:
            reset = replies.pop(0)
            if reset.code != 250:
                raise Lost(str(reset))
            link.mid_transaction = False
        return replies

    def _take_up(self, message: Message, replies: list[Reply]) -> None:
        """Go on with `message` where the server wants its text; settle it where not."""
        for stage, reply in zip(_STAGES, replies, strict=False):
            if judge(stage, reply) is not Verdict.OK:
                refused = stage, reply
                break
        else:
            self._current, self._ahead = message, wire_form(message.mime)
            return
        stage, reply = refused
        wants_text = len(replies) == len(_STAGES) and replies[-1].code == 354
        # A server that answers 354 in spite of a refused recipient waits for a text: a lone dot ends it.
        self._ahead = b".\r\n" if wants_text else b""
        self._link.mid_transaction = not wants_text
        if reply.code == 421 and stage is Stage.MAIL:
            raise Lost(str(reply))  # the connection's limit, nothing about the message
        self._session.judge_message(self._progress, message, stage, reply)
        if 421 in (reply.code, replies[-1].code):
            raise Lost(str(reply))
