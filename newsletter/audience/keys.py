"""Which secret keys are there? A ring of them, newest first: the newest makes tokens, all of them are understood.

Rotating puts a new key in front and keeps the others, because links in old mails are good forever.
Suppressions stay bound to the key they began with: a keyed hash can't be made anew under another
key once the address behind it was erased. So a key that leaked is rotated away as far as new tokens
go, but it stays in the ring (see `audience.suppression`).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from newsletter.errors import NewsletterError, UsageError

KEY_FILE = "secret.key"
KEY_VARIABLE = "NEWSLETTER_SECRET_KEY"
_SHORTEST = 16
_SHORTEST_TEXT = 32
# An id is one byte, and no two keys of a ring should share one.
_MOST = 200

Ring = tuple[bytes, ...]


def key_id(secret: bytes) -> bytes:
    """The first byte of a token: which key of the ring made it."""
    return blake2b(secret, digest_size=1, person=b"nl:key-id").digest()


def ring_from_variable(value: str) -> Ring:
    """The keys in `NEWSLETTER_SECRET_KEY`: one, or several with commas between them, newest first.

    Raises:
        UsageError: one of them has fewer than 32 characters.
    """
    # A single key is taken as it is, to the letter.
    texts = [text.strip() for text in value.split(",")] if "," in value else [value]
    if any(len(text) < _SHORTEST_TEXT for text in texts):
        said = "holds a key that is" if len(texts) > 1 else "is"
        raise UsageError(
            f"{KEY_VARIABLE} {said} too short to be safe",
            hint="use 32 characters or more, and commas between keys only:"
            " python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return tuple(dict.fromkeys(text.encode() for text in texts))


def read_ring(path: Path) -> Ring:
    """The keys kept in `path`, one a line.

    Raises:
        NewsletterError: a line isn't a key.
        OSError: the file can't be read.
    """
    try:
        lines = path.read_bytes().split()
        keys = tuple(base64.b64decode(line, b"-_", validate=True) for line in lines)
    except binascii.Error:
        keys = ()
    if not keys or any(len(key) < _SHORTEST for key in keys):
        raise NewsletterError(
            f"{path} doesn't hold a key" if not keys else f"{path} holds a key that is too short",
            hint="restore it from a backup: links in mails already sent depend on it",
        )
    return keys


def kept_ring(path: Path) -> Ring:
    """The keys kept in `path`; the first is made at first need, and two processes at once agree on one.

    Raises:
        NewsletterError: see `read_ring`.
        OSError: no key can be kept there.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        with _draft(path, (os.urandom(32),)) as draft, contextlib.suppress(FileExistsError):
            # A hard link appears whole or not at all, and never replaces a key that is in use.
            os.link(draft, path)
    return read_ring(path)


def fresh_key(ring: Ring) -> str:
    """A random key as text, whose id no key of the ring has.

    Raises:
        NewsletterError: the ring is too long for that.
    """
    taken = {key_id(key) for key in ring}
    if len(taken) > _MOST:
        raise NewsletterError(f"there are more than {_MOST} keys already", hint="rotate less often")
    while key_id((key := secrets.token_urlsafe(32)).encode()) in taken:
        pass
    return key


def rotate(path: Path) -> Ring:
    """Put a new key in front of those in `path`; returns the ring. It is replaced whole, or not at all.

    Raises:
        NewsletterError: see `read_ring`.
        OSError: it can't be written; the old ring stays.
    """
    kept_ring(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Of two rotations at once the second builds on the first: no key is lost between them.
        fcntl.flock(folder, fcntl.LOCK_EX)
        ring = read_ring(path)
        ring = (fresh_key(ring).encode(), *ring)
        with _draft(path, ring) as draft:
            draft.replace(path)
        os.fsync(folder)
    finally:
        os.close(folder)
    return ring


@contextlib.contextmanager
def _draft(path: Path, ring: Ring) -> Iterator[Path]:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, b"".join(base64.urlsafe_b64encode(key) + b"\n" for key in ring))
        os.fsync(descriptor)
        yield draft
    finally:
        os.close(descriptor)
        draft.unlink(missing_ok=True)
