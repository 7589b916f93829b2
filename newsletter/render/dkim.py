"""Who vouches for a message? DKIM signatures (RFC 6376, RFC 8463) on the parts of `cryptography`.

Canonicalisation is relaxed/relaxed. The signature covers both list headers, as RFC 8058 §4 demands, and
names some headers once more than they occur, so that a second `From` or `Subject` put in front breaks it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from newsletter.errors import NewsletterError, UsageError
from newsletter.render.idn import ascii_domain

# What a signature covers, in the order of `h=`, where the message has it (RFC 6376 §5.4.1, RFC 8058 §4).
SIGNED = (
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Id",
    "List-Archive",
    "List-Help",
    "List-Post",
    "Feedback-ID",
    "MIME-Version",
    "Content-Type",
)
# Named once more than they occur (RFC 6376 §8.15): nobody adds one to a signed message.
OVERSIGNED = frozenset({"From", "To", "Reply-To", "Subject", "Date"})

_MIN_RSA_BITS = 1024  # RFC 8301 §3.2; Gmail refuses less
_SPACES = re.compile(rb"[ \t]+")
_SPACE_AT_END = re.compile(rb" (?=\r\n|\Z)")
_SELECTOR = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?)*"
)
_CHUNK = 72


def relaxed_header(name: str, value: bytes) -> bytes:
    """One header in the relaxed form of RFC 6376 §3.4.2, with its CRLF.

    Args:
        name: as written.
        value: everything after the colon, folded or not, with or without the last CRLF.
    """
    unfolded = value.replace(b"\r\n", b"")
    return name.strip().lower().encode("ascii") + b":" + _SPACES.sub(b" ", unfolded).strip() + b"\r\n"


def relaxed_lines(data: bytes) -> bytes:
    """Whole lines in the relaxed form of RFC 6376 §3.4.4 but for its rule on empty lines at the end."""
    if b"  " in data or b"\t" in data:
        data = _SPACES.sub(b" ", data)
    return _SPACE_AT_END.sub(b"", data) if b" \r\n" in data or data.endswith(b" ") else data


def relaxed_body(body: bytes) -> bytes:
    """A body in the relaxed form of RFC 6376 §3.4.4."""
    body = relaxed_lines(body)
    end = len(body)
    while body[end - 2 : end] == b"\r\n":
        end -= 2
    return body[:end] + b"\r\n" if end else b""


class DkimSigner:
    """Signs with one key of one domain; safe to use from several threads.

    Args:
        selector: the label under `_domainkey` where the public key is published.
        domain: the signing domain, `d=`.
        private_key_pem: an unencrypted RSA (1024 bits or more) or Ed25519 private key.

    Raises:
        UsageError: the key can't be read or isn't fit; its text is never repeated.
    """

    def __init__(self, selector: str, domain: str, private_key_pem: str) -> None:
        if not _SELECTOR.fullmatch(selector):
            raise UsageError(
                f"`{selector}` can't be a DKIM selector", hint="letters, digits and hyphens, such as `2026a`"
            )
        self.selector = selector
        try:
            self.domain = ascii_domain(domain.strip().lower())
        except NewsletterError as error:
            raise UsageError(f"the DKIM domain can't be used: {error.message}") from None
        self._key = _load(private_key_pem)
        self._prefixes: dict[tuple[str, ...], bytes] = {}
        self.algorithm = "rsa-sha256" if isinstance(self._key, rsa.RSAPrivateKey) else "ed25519-sha256"

    @property
    def public_key(self) -> str:
        """What `p=` of the key record has to be (RFC 6376 §3.6.1; RFC 8463 §4.2: Ed25519 keys are bare)."""
        public = self._key.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            data = public.public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        else:
            data = public.public_bytes_raw()
        return base64.b64encode(data).decode("ascii")

    def sign(self, headers: Sequence[tuple[str, bytes]], body: bytes, at: int) -> bytes:
        """The `DKIM-Signature` header, with its CRLF, to stand before a message's headers.

        Args:
            headers: names, each at most once, and raw values, in any order.
            body: everything after the empty line, raw.
            at: seconds since the epoch, `t=`.

        Raises:
            ValueError: a header stands there twice; none of ours does, and `h=` would need an order.
        """
        known = {name.lower(): value for name, value in headers}
        if len(known) != len(headers):
            msg = "a header stands there twice"
            raise ValueError(msg)
        names = [name for name in SIGNED if name.lower() in known]
        canonical = [relaxed_header(name, known[name.lower()]) for name in names]
        return self.sign_canonical(names, canonical, relaxed_body(body), at)

    def sign_canonical(
        self, names: Sequence[str], headers: Iterable[bytes], body: bytes, at: int | None
    ) -> bytes:
        """As `sign`, for headers and a body that are in relaxed form already.

        Args:
            names: of the headers to sign, in the order of `headers`.
            headers: as `relaxed_header` gives them.
            body: as `relaxed_body` gives it.
            at: seconds since the epoch, or None to leave `t=` out.
        """
        body_hash = base64.b64encode(hashlib.sha256(body).digest())
        head = b"%s%s\r\n bh=%s;\r\n b=" % (
            self._prefix(tuple(names)),
            b"" if at is None else b" t=%d;" % at,
            body_hash,
        )
        # What is signed ends with this very header, its `b=` empty and without a CRLF (§3.7).
        own = b"dkim-signature:" + _SPACES.sub(b" ", head.replace(b"\r\n", b"")).strip()
        data = b"".join([*headers, own])
        if isinstance(self._key, rsa.RSAPrivateKey):
            signature = self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        else:
            # RFC 8463 §3: Ed25519 over the SHA-256 of the data.
            signature = self._key.sign(hashlib.sha256(data).digest())
        encoded = base64.b64encode(signature)
        chunks = [encoded[i : i + _CHUNK] for i in range(0, len(encoded), _CHUNK)]
        return b"DKIM-Signature:%s%s\r\n" % (head, b"\r\n ".join(chunks))

    def _prefix(self, names: tuple[str, ...]) -> bytes:
        """Everything of the header's value before `t=`; the same for every message of a send."""
        known = self._prefixes.get(names)
        if known is not None:
            return known
        signed = [*names, *(name for name in SIGNED if name in OVERSIGNED)]
        lines, line = [], " h="
        for number, name in enumerate(signed):
            piece = name if number == 0 else f":{name}"
            if len(line) + len(piece) > _CHUNK:
                lines.append(line)
                line = " "
            line += piece
        value = (
            f" v=1; a={self.algorithm}; c=relaxed/relaxed;\r\n d={self.domain}; s={self.selector};\r\n"
            + "\r\n".join([*lines, f"{line};"])
        )
        self._prefixes[names] = value.encode("ascii")
        return self._prefixes[names]


def _load(pem: str) -> rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey:
    hint = (
        "an unencrypted PEM file, as `openssl genpkey -algorithm ed25519` or `openssl genrsa 2048` writes it"
    )
    try:
        key = serialization.load_pem_private_key(pem.strip().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's own words may quote the input, and the input is a secret.
        raise UsageError("the DKIM private key can't be read", hint=hint) from None
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if not isinstance(key, rsa.RSAPrivateKey):
        raise UsageError("the DKIM private key is neither RSA nor Ed25519", hint=hint)
    if key.key_size < _MIN_RSA_BITS:
        raise UsageError(
            f"the DKIM key has {key.key_size} bits; {_MIN_RSA_BITS} are the least that is accepted", hint=hint
        )
    return key
