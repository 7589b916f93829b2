"""Any SMTP server: one round trip a message where the server takes pipelined commands (RFC 2920)."""

from __future__ import annotations

from newsletter.errors import UsageError
from newsletter.providers.base import Capabilities, ContentForm, ProviderOptions
from newsletter.providers.smtp.connect import Timeouts, connect
from newsletter.providers.smtp.options import Security, SmtpOptions, read_options
from newsletter.providers.smtp.pool import Pool
from newsletter.providers.smtp.session import SmtpSession

__all__ = ["SmtpOptions", "SmtpProvider", "SmtpSession", "Timeouts", "read_options"]


class SmtpProvider:
    """Makes sessions, one per sender thread. Connections are opened at need, kept, and shared where the server allows few.

    An answer lost after the final dot is ambiguous by nature (RFC 1047), and SMTP has neither keys to
    replay nor a way to ask: such a message is unknown. Batches are small so that few messages are at
    stake when the process dies between a batch and its record.
    """

    name = "smtp"
    capabilities = Capabilities(
        content=ContentForm.MIME, max_batch=25, connections=4, non_ascii_if_offered=True
    )

    def __init__(self, options: ProviderOptions, *, timeouts: Timeouts | None = None) -> None:
        """Read the settings.

        Raises:
            UsageError: the host or the password is missing, the password would travel in clear text, or a
                sandbox is asked for: what a mail server takes, it delivers.
        """
        if options.sandbox:
            raise UsageError("SMTP has no sandbox", hint="leave it out and use --test with your own address")
        self._options = read_options(options)
        self._pool = Pool(self._options, timeouts or Timeouts())

    def try_login(self, timeouts: Timeouts) -> str:
        """Connect, start TLS, log in and say goodbye, as a send does before its first message; returns what happened.

        Raises:
            Unreachable: it didn't work, and why.
        """
        link = connect(self._options, timeouts, reached_before=False)
        link.close()
        protected = {Security.TLS: "TLS", Security.STARTTLS: "STARTTLS", Security.CLEAR: "in clear text"}
        login = f", logged in as {self._options.username}" if self._options.username else ", without a login"
        return f"{protected[self._options.security]}{login}"

    def reaches_non_ascii(self) -> bool | None:
        """Whether the server offered SMTPUTF8 on the last connection; None before the first."""
        return self._pool.utf8

    def session(self) -> SmtpSession:
        """A session that connects when it first sends."""
        return SmtpSession(self._pool)
