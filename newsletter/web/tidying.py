"""What keeps the queue of single mails tidy? Once a minute: reminders, what is past its time, and mails whose process died."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from newsletter.audience.joining import Joining, JoinRequest
from newsletter.model.message import Outcome, OutcomeKind
from newsletter.providers.base import LookUp
from newsletter.store import outgoing
from newsletter.store.base import Transaction
from newsletter.store.outgoing import MailState
from newsletter.web.limits import SignupLimits, forget, is_own_network
from newsletter.web.service import Service
from newsletter.web.tally import HELD_BACK

_LOG = logging.getLogger("newsletter.web.mailer")
OUTBOX: Final = "single"
_EVERY: Final = timedelta(minutes=1)
_AT_ONCE: Final = 100
# No provider's answer takes so long: whoever claimed a mail longer ago is gone.
_ABANDONED: Final = timedelta(minutes=15)


class Tidying:
    """The mailer's housekeeping, in its thread.

    Args:
        service: what requests get, too.
        joining: the rules that somebody joins by.
        limits: what reminders may do to a mailbox.
    """

    def __init__(self, service: Service, joining: Joining, limits: SignupLimits) -> None:
        self._service = service
        self._joining = joining
        self._limits = limits
        self._held_back: Counter[str] = Counter()
        self._proxied = False
        self._tidied_at: datetime | None = None

    def came_to_nothing(self, request: JoinRequest, limit: str) -> None:
        """Count a request that was over `limit`; it is told with the others."""
        self._held_back[limit] += 1
        self._service.sheet.add((HELD_BACK, limit))
        self._proxied |= request.held_back.startswith("network") and is_own_network(request.ip)

    def tidy_when_due(self, now: datetime) -> None:
        """Tidy, where that is a minute ago or the clock was set back.

        Raises:
            StoreError: the store can't be used now.
        """
        if self._tidied_at is not None and timedelta() <= now - self._tidied_at < _EVERY:
            return
        self._tidied_at = now
        self._decide_abandoned(now)
        self._service.writer.submit(partial(self._tidy_store, now=now)).result()
        self._tell_held_back()

    def _tell_held_back(self) -> None:
        held_back, self._held_back = self._held_back, Counter()
        if not held_back:
            return
        total = held_back.total()
        _LOG.warning(
            "%d signup%s came to nothing: %s%s",
            total,
            "" if total == 1 else "s",
            ", ".join(f"{limit} {number}" for limit, number in held_back.most_common()),
            " (behind a proxy, `web.trusted_proxies` has to name it)" if self._proxied else "",
        )

    def _tidy_store(self, tx: Transaction, *, now: datetime) -> None:
        stamp = now.timestamp()

        def may_be_mailed(match_key: str) -> bool:
            return not self._limits.admit(tx, self._limits.of_mailbox(match_key), stamp)

        self._joining.remind(tx, now, _AT_ONCE, may_be_mailed)
        self._joining.expire(tx, now, _AT_ONCE)
        forget(tx, stamp)

    def _decide_abandoned(self, now: datetime) -> None:
        """What became of mails whose process died over them? Some providers can tell; else nobody knows."""
        found = outgoing.abandoned(self._service.database, now - _ABANDONED)
        if not found:
            return
        workspace = self._service.workspace
        provider = workspace.provider(send_name=OUTBOX, stream=workspace.settings.web.stream)
        answers = provider.look_up([key for _, key in found]) if isinstance(provider, LookUp) else {}
        lost = Outcome("", OutcomeKind.UNKNOWN, reason="the process that was sending it ended")

        def decide(tx: Transaction) -> None:
            for number, key in found:
                match answers.get(key, lost):
                    case Outcome(kind=OutcomeKind.DEFERRED):
                        outgoing.put_off(tx, number, now, "")
                    case Outcome(kind=OutcomeKind.ACCEPTED, provider_id=provider_id):
                        outgoing.settle(tx, number, MailState.SENT, now, provider_id=provider_id)
                    case outcome:
                        outgoing.settle(tx, number, MailState.UNKNOWN, now, reason=outcome.reason)

        self._service.writer.submit(decide).result()
