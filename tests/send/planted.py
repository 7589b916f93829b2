"""The classic mistakes of systems that send, each put into the real engine by replacing one function.

What is planted here must be found by the proof: `test_planted_bugs.py` shows which check finds which.
"""

from __future__ import annotations

import dataclasses
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pytest

from newsletter.model.delivery import SendState
from newsletter.model.message import Outcome, OutcomeKind
from newsletter.send import engine, senders
from newsletter.send.engine import Engine
from newsletter.send.recovery import Findings
from newsletter.send.senders import Job, Report
from newsletter.store import deliveries, sqlite
from newsletter.store.base import Transaction, utc_text
from newsletter.store.send_records import Claim, ClaimedBatch, OpenBatch
from newsletter.store.sqlite import SqliteDatabase


@dataclass(frozen=True)
class Bug:
    """A mistake.

    Attributes:
        story: what goes wrong by it, and who has it.
        plant: puts it in, for as long as the patch lasts.
    """

    story: str
    plant: Callable[[pytest.MonkeyPatch], None]


def _record_before_send(patch: pytest.MonkeyPatch) -> None:
    begin = Engine.__init__

    def init(self: Engine, *arguments: Any, **options: Any) -> None:
        begin(self, *arguments, **options)
        submit = self._senders.submit

        def record_and_submit(job: Job) -> None:
            with self._db.write() as tx:
                deliveries.accept(tx, self._send_id, job.claimed, [], self._now())
            submit(job)

        self._senders.submit = record_and_submit  # type: ignore[method-assign]  # the bug

    patch.setattr(Engine, "__init__", init)


def _send_before_record(patch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def committed_later(connection: sqlite3.Connection) -> Iterator[None]:
        """What was written is committed when the next transaction begins: meanwhile it is acted upon."""
        if connection.in_transaction:
            connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    close = SqliteDatabase.close

    def commit_and_close(self: SqliteDatabase) -> None:
        if self._connection.in_transaction:
            self._connection.execute("COMMIT")
        close(self)

    patch.setattr(sqlite, "immediate", committed_later)
    patch.setattr(SqliteDatabase, "close", commit_and_close)


def _checkpoint_at_fetch(patch: pytest.MonkeyPatch) -> None:
    claim_rows = deliveries._claim_rows

    def claim_and_move_on(tx: Transaction, *arguments: Any) -> Claim:
        claim = claim_rows(tx, *arguments)
        if claim.batch is not None:
            tx.execute("UPDATE deliveries SET state = 2 WHERE batch_id = ?", (claim.batch.id,))
        return claim

    patch.setattr(deliveries, "_claim_rows", claim_and_move_on)


def _retry_on_a_lost_answer(patch: pytest.MonkeyPatch) -> None:
    outcomes_of = senders.outcomes_of

    def optimistic(job: Job, result: Any) -> list[Outcome]:
        return [
            outcome._replace(kind=OutcomeKind.DEFERRED) if outcome.kind is OutcomeKind.UNKNOWN else outcome
            for outcome in outcomes_of(job, result)
        ]

    patch.setattr(senders, "outcomes_of", optimistic)


def _one_refusal_releases_the_batch(patch: pytest.MonkeyPatch) -> None:
    settle, released = Engine._settle, list[int]()

    def settle_all_or_nothing(self: Engine, tx: Transaction, report: Report, turn: Any) -> None:
        refused = any(outcome.kind is OutcomeKind.REJECTED for outcome in report.outcomes)
        # Elsewhere this goes on for ever; a few times are enough to be seen.
        if refused and len(released) < 3:
            released.append(report.job.claimed.id)
            deliveries.release(tx, self._send_id, report.job.claimed, self._now())
            turn.cursor, turn.swept = 0, False
            return
        settle(self, tx, report, turn)

    patch.setattr(Engine, "_settle", settle_all_or_nothing)


def _a_success_counts_for_the_whole_batch(patch: pytest.MonkeyPatch) -> None:
    outcomes_of = senders.outcomes_of

    def all_or_nothing(job: Job, result: Any) -> list[Outcome]:
        outcomes = outcomes_of(job, result)
        if any(outcome.kind is OutcomeKind.ACCEPTED for outcome in outcomes):
            return [outcome._replace(kind=OutcomeKind.ACCEPTED) for outcome in outcomes]
        return outcomes

    patch.setattr(senders, "outcomes_of", all_or_nothing)


def _suppression_is_not_looked_at_again(patch: pytest.MonkeyPatch) -> None:
    claim_rows = deliveries._claim_rows

    def trusting(tx: Transaction, holder: Any, terms: Any, rows: Sequence[Any], state: Any) -> Claim:
        # Whoever was erased has no address left to mail.
        return claim_rows(tx, holder, terms, [(*r[:5], "active") if r[1] else r for r in rows], state)

    patch.setattr(deliveries, "_claim_rows", trusting)


def _nobody_is_fenced(patch: pytest.MonkeyPatch) -> None:
    def renew(tx: Transaction, send_id: int, epoch: int, until: datetime) -> tuple[SendState, str]:
        tx.execute("UPDATE sends SET lease_until = ? WHERE id = ?", (utc_text(until), send_id))
        [(state, note)] = tx.query("SELECT state, note FROM sends WHERE id = ?", (send_id,))
        return SendState(state), note

    patch.setattr(deliveries, "renew", renew)
    patch.setattr(Engine, "_may_send", lambda self: True)


def _resume_gives_back_what_was_claimed(patch: pytest.MonkeyPatch) -> None:
    def give_back(open_batches: list[OpenBatch], *_: Any) -> Findings:
        from newsletter.model.delivery import DeliveryState

        claimed = [(DeliveryState.CLAIMED, number) for batch in open_batches for number in batch.claimed]
        return Findings(unsent=claimed)

    patch.setattr(engine, "investigate", give_back)


def _a_replay_gets_a_new_key(patch: pytest.MonkeyPatch) -> None:
    reclaim = deliveries.reclaim

    def rekeyed(*arguments: Any, **options: Any) -> ClaimedBatch | None:
        batch = reclaim(*arguments, **options)
        return dataclasses.replace(batch, key=f"nl-{secrets.token_hex(8)}") if batch else None

    patch.setattr(deliveries, "reclaim", rekeyed)


PLANTED: Final[Mapping[str, Bug]] = {
    "record before send": Bug(
        "who was recorded and not sent to when the process died is lost (Mailtrain)", _record_before_send
    ),
    "send before record": Bug(
        "who was sent to and not recorded when the process died is mailed again", _send_before_record
    ),
    "checkpoint at fetch": Bug(
        "the batch in memory when the process died is skipped (listmonk)", _checkpoint_at_fetch
    ),
    "retry on a lost answer": Bug("an accepted batch is sent again (Ghost)", _retry_on_a_lost_answer),
    "one refusal releases the batch": Bug(
        "everybody beside a bad address is mailed again and again (langx)", _one_refusal_releases_the_batch
    ),
    "a success counts for the whole batch": Bug(
        "who was refused inside an accepted batch is lost silently", _a_success_counts_for_the_whole_batch
    ),
    "suppression is not looked at again": Bug(
        "who left since the audience was frozen is mailed", _suppression_is_not_looked_at_again
    ),
    "nobody is fenced": Bug("a process that slept past its lease sends beside its heir", _nobody_is_fenced),
    "resume gives back what was claimed": Bug(
        "what was under way when the process died is sent again (Mailman, Keila)",
        _resume_gives_back_what_was_claimed,
    ),
    "a replay gets a new key": Bug("the provider can't tell it from another batch", _a_replay_gets_a_new_key),
}
