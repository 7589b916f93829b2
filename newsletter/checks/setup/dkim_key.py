"""Is a published DKIM key one that receivers can use? RFC 6376 §3.6.1, RFC 8301, RFC 8463."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

_TAG: Final = re.compile(r"[ \t\r\n]*([A-Za-z][A-Za-z0-9_]*)[ \t\r\n]*=(.*)", re.DOTALL)
# RFC 8301 §3.2; Gmail takes no less, and everybody recommends the other.
LEAST_BITS: Final = 1024
GOOD_BITS: Final = 2048


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A key record.

    Attributes:
        kind: `rsa` or `ed25519`, or what else it says.
        bits: of the key; 0 where it can't be read.
        data: the key as published, without spaces; empty where it is revoked.
        testing: `t=y`: receivers are asked not to treat a bad signature worse than none.
        problem: what keeps receivers from using it, in words; empty for nothing.
    """

    kind: str = "rsa"
    bits: int = 0
    data: str = ""
    testing: bool = False
    problem: str = ""


def parse_key(text: str) -> PublishedKey:
    """Read a TXT value found under `_domainkey`; whatever it holds, something is returned."""
    tags: dict[str, str] = {}
    for number, part in enumerate(text.split(";")):
        if not part.strip():
            continue
        match = _TAG.fullmatch(part)
        if match is None:
            return PublishedKey(problem=f"`{part.strip()[:40]}` is no tag")
        if match[1] in tags:
            return PublishedKey(problem=f"`{match[1]}` stands there twice")
        tags[match[1]] = match[2].strip()
        if match[1] == "v" and number:
            return PublishedKey(problem="`v=DKIM1` has to stand first")
    if "p" not in tags:
        return PublishedKey(problem="it has no `p=`, so no key")
    if tags.get("v", "DKIM1") != "DKIM1":
        return PublishedKey(problem=f"its version is `{tags['v'][:20]}`, not `DKIM1`")
    kind = tags.get("k", "rsa").lower()
    data = "".join(tags["p"].split())
    testing = "y" in _list(tags.get("t", ""))
    if not data:
        return PublishedKey(kind, testing=testing, problem="the key is revoked: `p=` is empty")
    bits, problem = _bits(kind, data)
    hashes, services = _list(tags.get("h", "sha256")), _list(tags.get("s", "*"))
    if not problem and "sha256" not in hashes:
        problem = f"it allows {tags['h'][:40]} only, and signatures are made with sha256"
    if not problem and not {"*", "email"} & set(services):
        problem = f"it is for `s={tags['s'][:40]}`, not for email"
    return PublishedKey(kind, bits, data, testing=testing, problem=problem)


def _list(text: str) -> list[str]:
    return [word.strip().lower() for word in text.split(":")]


def _bits(kind: str, data: str) -> tuple[int, str]:
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return 0, "its `p=` is not base64: a part was lost, or quotes and spaces came along"
    if kind == "ed25519":
        return (256, "") if len(raw) == 32 else (0, f"an Ed25519 key has 32 bytes, this one {len(raw)}")
    if kind != "rsa":
        return 0, f"nobody reads keys of the kind `{kind[:20]}`"
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(raw)
    except (ValueError, UnsupportedAlgorithm):
        return 0, "its `p=` is no RSA public key: most likely the end of it was cut off"
    if not isinstance(key, RSAPublicKey):
        return 0, "its `p=` is no RSA public key"
    if key.key_size < LEAST_BITS:
        return key.key_size, f"it has {key.key_size} bits; less than {LEAST_BITS} are not accepted anywhere"
    return key.key_size, ""
