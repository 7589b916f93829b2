"""What does a delivery's row say after an attempt? The provider's word on one message, as the ledger keeps it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import assert_never

from newsletter.model.delivery import DeliveryState
from newsletter.model.message import Outcome, OutcomeKind
from newsletter.send.retry import GiveUp, RetryAt, after_deferral
from newsletter.store.send_records import Settlement


def settlement(subscriber_id: int, attempts: int, outcome: Outcome, now: datetime, wait: float) -> Settlement:
    """What a row is to say; `wait` is how long the whole provider asked to be left alone."""
    match outcome.kind:
        case OutcomeKind.ACCEPTED:
            return Settlement(subscriber_id, DeliveryState.ACCEPTED, provider_id=outcome.provider_id)
        case OutcomeKind.REJECTED:
            return Settlement(subscriber_id, DeliveryState.REJECTED, reason=outcome.reason)
        case OutcomeKind.UNKNOWN:
            # A webhook may name it by this id alone.
            return Settlement(
                subscriber_id, DeliveryState.UNKNOWN, provider_id=outcome.provider_id, reason=outcome.reason
            )
        case OutcomeKind.DEFERRED:
            if wait:
                # Nothing about this recipient was tried: it doesn't count against them.
                due = now + timedelta(seconds=wait)
                return Settlement(
                    subscriber_id, DeliveryState.DEFERRED, reason=outcome.reason, retry_at=due, uncounted=True
                )
            match after_deferral(attempts, outcome.reason):
                case GiveUp(reason):
                    return Settlement(subscriber_id, DeliveryState.REJECTED, reason=reason)
                case RetryAt(seconds):
                    due = now + timedelta(seconds=seconds)
                    return Settlement(
                        subscriber_id, DeliveryState.DEFERRED, reason=outcome.reason, retry_at=due
                    )
        case _:
            assert_never(outcome.kind)
