"""How many connections does the server let us have at once? As many as asked for, until it says otherwise.

Many servers allow an account two or five connections and refuse the next with 4xx. That is no reason to
stop: the sender threads then share the connections there are, a batch at a time.
"""

from __future__ import annotations

import threading
import time

from newsletter.providers.smtp.connect import Link, Timeouts, Unreachable, connect
from newsletter.providers.smtp.options import SmtpOptions


class Pool:
    """The connections of one provider; safe to use from several threads.

    Attributes:
        takes_mail: the server has accepted a message in this run.
        utf8: whether it offered SMTPUTF8 on the last connection; None before the first.
    """

    def __init__(self, options: SmtpOptions, timeouts: Timeouts) -> None:
        self.takes_mail = False
        self.utf8: bool | None = None
        self._options = options
        self._timeouts = timeouts
        self._changed = threading.Condition()
        self._idle: list[Link] = []
        self._open = 0
        self._limit: int | None = None
        self._reached = False

    @property
    def host(self) -> str:
        """The server's name, for messages."""
        return self._options.host

    def take(self) -> Link:
        """A connection for the caller alone, until `give_back` or `discard`.

        Raises:
            Unreachable: there is none to be had.
        """
        deadline = time.monotonic() + self._timeouts.reply
        while True:
            with self._changed:
                link = self._take_idle()
                if link is not None:
                    return link
                if self._limit is not None and self._open >= self._limit:
                    left = deadline - time.monotonic()
                    if left > 0:
                        self._changed.wait(left)
                        continue
                self._open += 1
            try:
                link = connect(self._options, self._timeouts, reached_before=self._reached)
            except Unreachable as failure:
                if not self._share_instead(failure) or time.monotonic() > deadline:
                    raise
            else:
                self._reached = True
                self.utf8 = link.utf8
                return link

    def give_back(self, link: Link) -> None:
        """Leave an intact connection to whoever needs one next."""
        with self._changed:
            self._idle.append(link)
            self._changed.notify()

    def discard(self, link: Link) -> None:
        """Close a connection with commands outstanding, or one that is gone."""
        link.close(politely=False)
        self._closed()

    def close_one(self) -> None:
        """Say farewell on a connection nobody uses, if there is one."""
        with self._changed:
            link = self._idle.pop() if self._idle else None
        if link is not None:
            link.close()
            self._closed()

    def _take_idle(self) -> Link | None:
        while self._idle:
            link = self._idle.pop()
            if link.usable():
                return link
            link.close(politely=False)
            self._open -= 1
        return None

    def _share_instead(self, failure: Unreachable) -> bool:
        """Whether the server refused one connection too many, so that the others are to be shared."""
        with self._changed:
            self._open -= 1
            if not failure.crowded or not self._open:
                self._changed.notify()
                return False
            self._limit = self._open
            return True

    def _closed(self) -> None:
        with self._changed:
            self._open -= 1
            self._changed.notify()
