"""How does AWS know who calls? Signature Version 4 over one request, as pure functions.

Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. A signature
holds for five minutes around its date, so it is made anew for each call; the body has no part in that.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key.

    Attributes:
        access_key_id: its public half.
        secret: what signs.
        session_token: goes along with a temporary one; else empty.
    """

    access_key_id: str
    secret: str = field(repr=False)
    session_token: str = field(default="", repr=False)


def signed_headers(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: Iterable[bytes],
    *,
    credentials: Credentials,
    region: str,
    service: str,
    at: datetime,
) -> dict[str, str]:
    """`headers` with `X-Amz-Date`, `X-Amz-Security-Token` where there is one, and `Authorization`.

    Args:
        method: of the request.
        url: without a query.
        headers: all of them are signed, and `Host` with them.
        body: its parts.
        credentials: who calls.
        region: such as `eu-central-1`.
        service: such as `ses`.
        at: when it is signed, in UTC.
    """
    stamp = f"{at:%Y%m%dT%H%M%SZ}"
    sent = {**headers, "X-Amz-Date": stamp}
    if credentials.session_token:
        sent["X-Amz-Security-Token"] = credentials.session_token
    parts = urlsplit(url)
    covered = {name.lower(): " ".join(value.split()) for name, value in sent.items()}
    covered["host"] = _host(url)
    names = sorted(covered)
    digest = hashlib.sha256()
    for part in body:
        digest.update(part)
    canonical = "\n".join(
        (
            method,
            # Encoded once more than it is sent, as all services but S3 want it.
            quote(parts.path or "/", safe="/~"),
            "",
            *(f"{name}:{covered[name]}" for name in names),
            "",
            ";".join(names),
            digest.hexdigest(),
        )
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{credentials.secret}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    signature = hmac.digest(key, f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashed}".encode(), "sha256").hex()
    sent["Authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={';'.join(names)}, Signature={signature}"
    )
    return sent


def _host(url: str) -> str:
    """What stands in `Host:`: clients leave out the scheme's own port."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower()
    return (
        host
        if parts.port not in (None, _DEFAULT_PORTS.get(parts.scheme))
        else host.removesuffix(f":{parts.port}")
    )
