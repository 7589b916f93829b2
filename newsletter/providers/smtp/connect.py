"""How does a connection come about, and how are bytes and replies exchanged on it?

The standard library greets, starts TLS and logs in; from there on the socket is ours, because only
whoever counts the bytes can say whether a final dot left.
"""

from __future__ import annotations

import base64
import contextlib
import select
import smtplib
import socket
import ssl
import time
from dataclasses import dataclass

from newsletter.providers.base import Hold
from newsletter.providers.smtp.options import PASSWORD_VARIABLE, Security, SmtpOptions
from newsletter.providers.smtp.replies import Reply

# TLS puts at most 16 KB into a record; one record per write keeps "written" exact.
_TLS_RECORD = 16384
_MAX_REPLY = 65536
_MECHANISMS = frozenset({"PLAIN", "LOGIN", "CRAM-MD5"})  # what `smtplib.SMTP.login` speaks


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait: to connect and be greeted, for a reply, for the reply to the final dot.

    RFC 5321, section 4.5.3.2, allows servers minutes; the last is the one whose loss is ambiguous,
    so it is the most patient.
    """

    connect: float = 15.0
    reply: float = 60.0
    data_end: float = 300.0
    idle: float = 30.0  # an older connection is replaced rather than trusted


class Unreachable(Exception):  # noqa: N818 - a value the session turns into a result
    """No connection came about, so nothing was sent.

    `crowded` says that the server may only have had enough connections.
    """

    def __init__(self, hold: Hold, *, crowded: bool = False) -> None:
        super().__init__(hold.reason)
        self.hold = hold
        self.crowded = crowded


class Lost(Exception):  # noqa: N818 - a value the session turns into a result
    """The connection is over. `reason` says how."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Link:
    """A connection that was greeted and logged in; used by one thread at a time.

    Attributes:
        pipelining: the server takes commands in groups (RFC 2920).
        size: the largest message it takes, in bytes (RFC 1870); 0 where it doesn't say.
        eight_bit: it offers 8BITMIME (RFC 6152).
        utf8: it offers SMTPUTF8 (RFC 6531).
        accepted: messages it took on this connection.
        written: bytes of the last `write` that may have reached the server.
        mid_transaction: a recipient was refused after MAIL: the next group has to begin with RSET.
    """

    def __init__(self, smtp: smtplib.SMTP, timeouts: Timeouts) -> None:
        assert smtp.sock is not None
        features = smtp.esmtp_features
        self.pipelining = "pipelining" in features
        self.size_offered = "size" in features
        self.size = int(features["size"]) if features.get("size", "").isdecimal() else 0
        self.eight_bit = "8bitmime" in features
        self.utf8 = "smtputf8" in features
        self.accepted = 0
        self.written = 0
        self.mid_transaction = False
        self._smtp = smtp  # keeps the socket open
        self._sock = smtp.sock
        self._timeouts = timeouts
        self._timeout = -1.0
        self._tls = isinstance(smtp.sock, ssl.SSLSocket)
        self._buffer = b""
        self._used = time.monotonic()
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wait_at_most(timeouts.reply)

    def write(self, data: bytes) -> None:
        """Hand `data` to the kernel; afterwards, also on failure, `written` tells how much may have left.

        Raises:
            Lost: the connection broke.
        """
        self.written = 0
        total = len(data)
        step = _TLS_RECORD if self._tls else total
        try:
            if not self._tls:
                self.written = self._sock.send(data)
            if self.written < total:
                view = memoryview(data)
                while self.written < total:
                    self.written += self._sock.send(view[self.written : self.written + step])
        except OSError as error:
            if self._tls:
                # OpenSSL may have handed over a record it could not confirm.
                self.written = min(total, self.written + step)
            raise Lost(_words(error)) from None

    def read(self, *, final: bool = False) -> Reply:
        """The next reply; `final` waits as long as a final dot may take.

        Raises:
            Lost: the connection broke, stayed silent, or what came is not SMTP.
        """
        code, texts = 0, []
        while True:
            end = self._buffer.find(b"\n")
            if end < 0:
                self._fill(self._timeouts.data_end if final else self._timeouts.reply)
                continue
            line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
            if len(line) < 3 or not line[:3].isdigit():
                raise Lost("the server's answer is not SMTP")
            code = int(line[:3])
            texts.append(line[4:].rstrip().decode("utf-8", "replace"))
            if line[3:4] != b"-":
                self._used = time.monotonic()
                return Reply(code, texts[0] if len(texts) == 1 else " ".join(texts)[:500])
            if len(texts) > 100:
                raise Lost("the server's answer never ends")

    def usable(self) -> bool:
        """Whether the connection may be used for another batch: not idle for long, and the server has said nothing."""
        if self._buffer or time.monotonic() - self._used > self._timeouts.idle:
            return False
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        # Nothing is outstanding: readable means a farewell (421) or the end.
        return not poll.poll(0)

    def close(self, *, politely: bool = True) -> None:
        """Say QUIT where nothing is outstanding, and close; never fails."""
        with contextlib.suppress(OSError, Lost, ValueError):
            if politely:
                self._sock.settimeout(min(2.0, self._timeouts.reply))
                self._sock.sendall(b"QUIT\r\n")
                self._sock.recv(512)
        with contextlib.suppress(OSError):
            self._smtp.close()

    def _wait_at_most(self, seconds: float) -> None:
        if seconds != self._timeout:
            self._sock.settimeout(seconds)
            self._timeout = seconds

    def _fill(self, seconds: float) -> None:
        self._wait_at_most(seconds)
        try:
            chunk = self._sock.recv(8192)
        except TimeoutError:
            raise Lost(f"the server said nothing for {seconds:g} seconds") from None
        except OSError as error:
            raise Lost(_words(error)) from None
        if not chunk:
            raise Lost("the server closed the connection")
        self._buffer += chunk
        if len(self._buffer) > _MAX_REPLY:
            raise Lost("the server's answer never ends")


def connect(options: SmtpOptions, timeouts: Timeouts, *, reached_before: bool) -> Link:
    """Connect, greet, start TLS where asked, log in.

    `reached_before` says whether this server was reached earlier in this run: then a closed port is
    a restart to wait for, otherwise most likely a wrong setting.

    Raises:
        Unreachable: it didn't work, and why; nothing was sent.
    """
    where = f"{options.host}:{options.port}"
    retry = 30.0 if reached_before else None
    smtp: smtplib.SMTP | None = None
    try:
        smtp = _open(options, timeouts)
        _greet(smtp, options, timeouts)
        _log_in(smtp, options)
        return Link(smtp, timeouts)
    except Unreachable:
        _discard(smtp)
        raise
    except ssl.SSLCertVerificationError as error:
        _discard(smtp)
        raise Unreachable(
            Hold(
                f"the certificate of {where} can't be trusted: {error.verify_message}",
                hint="set `provider.host` to the name in the certificate; for a certificate of your own, "
                "name its file in SSL_CERT_FILE",
            )
        ) from None
    except ssl.SSLError as error:
        _discard(smtp)
        raise Unreachable(
            Hold(
                f"no TLS with {where}: {error.reason or error}",
                hint="port 465 speaks TLS at once (`tls = true`), port 587 after STARTTLS (leave `tls` out)",
            )
        ) from None
    except smtplib.SMTPResponseException as error:
        _discard(smtp)
        refusal = _refusal(options, error)
        raise Unreachable(refusal, crowded=refusal.retry_after is not None) from None
    except socket.gaierror as error:
        temporary = error.errno == socket.EAI_AGAIN
        raise Unreachable(
            Hold(
                f"the host name {options.host} can't be resolved: {error.strerror}",
                hint="check `provider.host` and your network",
                retry_after=30.0 if temporary else retry,
            )
        ) from None
    except (OSError, smtplib.SMTPException) as error:
        _discard(smtp)
        raise Unreachable(
            Hold(
                f"{where} can't be reached: {_words(error)}",
                hint="check `provider.host` and `provider.port`, and that the server runs",
                retry_after=retry,
            ),
            crowded=isinstance(error, smtplib.SMTPServerDisconnected),
        ) from None


def _open(options: SmtpOptions, timeouts: Timeouts) -> smtplib.SMTP:
    # Our name is set after connecting: asking the resolver for it may take seconds.
    if options.security is Security.TLS:
        return smtplib.SMTP_SSL(
            options.host,
            options.port,
            local_hostname="localhost",
            timeout=timeouts.connect,
            context=ssl.create_default_context(),
        )
    return smtplib.SMTP(options.host, options.port, local_hostname="localhost", timeout=timeouts.connect)


def _greet(smtp: smtplib.SMTP, options: SmtpOptions, timeouts: Timeouts) -> None:
    assert smtp.sock is not None
    smtp.sock.settimeout(timeouts.reply)
    smtp.local_hostname = _own_name(smtp.sock)
    smtp.ehlo_or_helo_if_needed()
    if options.security is not Security.STARTTLS:
        return
    if not smtp.has_extn("starttls"):
        raise Unreachable(
            Hold(
                f"{options.host}:{options.port} doesn't offer STARTTLS, and mail isn't sent in clear text",
                hint="use the port that does (587), or `tls = true` for port 465; "
                "`starttls = false` sends in clear text where no login is needed",
            )
        )
    smtp.starttls(context=ssl.create_default_context())
    # What was offered in clear text is forgotten (RFC 3207, section 4.2).
    smtp.ehlo_or_helo_if_needed()


def _log_in(smtp: smtplib.SMTP, options: SmtpOptions) -> None:
    if not options.username or options.password is None:
        return
    password = options.password.get_secret_value()
    if not smtp.has_extn("auth"):
        raise Unreachable(
            Hold(
                f"{options.host}:{options.port} offers no login",
                hint="use the submission port (587 or 465), or leave `provider.username` out",
            )
        )
    offered = smtp.esmtp_features.get("auth", "").upper().split()
    if not _MECHANISMS.intersection(offered):
        raise Unreachable(
            Hold(
                f"{options.host} offers no login method we speak: {' '.join(offered)}",
                hint="we speak PLAIN, LOGIN and CRAM-MD5; ask for an app password where it wants OAuth",
            )
        )
    if (options.username + password).isascii():
        smtp.login(options.username, password)
        return
    # The standard library's methods are ASCII only; PLAIN is UTF-8 (RFC 4616).
    code, text = smtp.docmd("AUTH", "PLAIN " + _base64(f"\0{options.username}\0{password}"))
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, text)


def _refusal(options: SmtpOptions, error: smtplib.SMTPResponseException) -> Hold:
    text = (
        error.smtp_error.decode("utf-8", "replace")
        if isinstance(error.smtp_error, bytes)
        else error.smtp_error
    )
    text = " ".join(text.split())[:300]
    if options.password is not None:
        secret = options.password.get_secret_value()
        for sent in (secret, _base64(secret), _base64(f"\0{options.username}\0{secret}")):
            text = text.replace(sent, "…") if sent else text
    said = f"{error.smtp_code} {text}".strip()
    temporary = 400 <= error.smtp_code < 500 or error.smtp_code < 0
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return Hold(
            f"{options.host} refused the login of {options.username}: {said}",
            hint=f"check `provider.username` and {PASSWORD_VARIABLE}",
            retry_after=60.0 if temporary else None,
        )
    return Hold(
        f"{options.host}:{options.port} refused the connection: {said}",
        hint="" if temporary else "check `provider.host` and whether the server takes mail from here",
        retry_after=60.0 if temporary else None,
    )


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _own_name(sock: socket.socket) -> str:
    """What to call ourselves in EHLO: a full host name, else the address literal (RFC 5321, section 4.1.3)."""
    name = socket.gethostname()
    if "." in name and name.isascii():
        return name
    address = sock.getsockname()[0].partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "it didn't answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _discard(smtp: smtplib.SMTP | None) -> None:
    if smtp is not None:
        with contextlib.suppress(OSError):
            smtp.close()
