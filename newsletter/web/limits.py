"""How often may a form be filled in on somebody's behalf? The one who would get the mails is protected first.

Then the domain, the network that asks, and the service as a whole. What is used up is kept in the
store, so that a restart forgives nobody, and comes back by itself as time passes. Neither an address
nor a network is kept readable: the keys are hashes under the workspace's secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address
from typing import Final, NamedTuple

from newsletter.store.base import Transaction

_HOUR: Final = 3600.0
_DAY: Final = 24 * _HOUR
# Where so many people have their mailbox that a limit for all of them would be one for everybody.
_LARGE_DOMAINS: Final = frozenset(
    (
        *(
            "gmail.com",
            "googlemail.com",
            "outlook.com",
            "hotmail.com",
            "live.com",
            "msn.com",
            "hotmail.co.uk",
        ),
        *("hotmail.fr", "live.co.uk", "yahoo.com", "yahoo.co.uk", "yahoo.co.jp", "yahoo.fr", "ymail.com"),
        *(
            "icloud.com",
            "me.com",
            "mac.com",
            "aol.com",
            "proton.me",
            "protonmail.com",
            "pm.me",
            "fastmail.com",
        ),
        *("gmx.de", "gmx.net", "gmx.at", "gmx.com", "web.de", "t-online.de", "freenet.de", "mail.com"),
        *("qq.com", "163.com", "126.com", "mail.ru", "yandex.ru", "yandex.com", "naver.com", "hey.com"),
        *("orange.fr", "free.fr", "libero.it", "comcast.net", "verizon.net", "att.net", "zoho.com"),
    )
)
# Their mailboxes ignore dots (support.google.com/mail/answer/7436150).
_DOTLESS: Final = frozenset({"gmail.com", "googlemail.com"})
# A well-known few of the domains whose mailboxes are open to all and gone tomorrow.
_DISPOSABLE: Final = frozenset(
    (
        *(
            "mailinator.com",
            "guerrillamail.com",
            "guerrillamail.info",
            "guerrillamail.net",
            "sharklasers.com",
        ),
        *("grr.la", "10minutemail.com", "10minutemail.net", "temp-mail.org", "tempmail.com", "tempmail.net"),
        *("temp-mail.io", "yopmail.com", "yopmail.fr", "yopmail.net", "trashmail.com", "trashmail.de"),
        *("trash-mail.com", "wegwerfemail.de", "wegwerfmail.de", "byom.de", "getnada.com", "nada.email"),
        *("dispostable.com", "maildrop.cc", "mailnesia.com", "mintemail.com", "mohmal.com", "moakt.com"),
        *("throwawaymail.com", "fakeinbox.com", "spamgourmet.com", "mailcatch.com", "emailondeck.com"),
        *("discard.email", "discardmail.com", "spambog.com", "burnermail.io", "tempr.email", "einrot.com"),
        *("minutemail.com", "mytemp.email", "tmail.ws", "inboxkitten.com", "mailsac.com", "33mail.com"),
        *("anonbox.net", "jetable.org", "spam4.me", "mailnull.com", "tempinbox.com", "crazymailing.com"),
    )
)


class Limit(NamedTuple):
    """How often, and for whom.

    Attributes:
        scope: what it is called in the log.
        whom: whom it is about.
        most: so many times at once.
        seconds: in which so many become free again, evenly.
    """

    scope: str
    whom: str
    most: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SignupLimits:
    """The limits of one service.

    Attributes:
        secret: keys the hashes.
        per_hour: confirmations in all.
    """

    secret: bytes
    per_hour: int

    def of(self, match_key: str, client: str, *, vouched: bool) -> tuple[Limit, ...]:
        """The limits a request is under, the recipient's first.

        Args:
            match_key: of the address typed in.
            client: who asks; empty where that isn't known.
            vouched: whether the form brought a token of ours; from elsewhere less is taken from one network.
        """
        limits = list(self.of_mailbox(match_key))
        domain = match_key.rpartition("@")[2]
        if domain not in _LARGE_DOMAINS:
            limits.append(Limit("domain", domain, 100, _HOUR))
        if client:  # on a Unix socket nobody's network is known, and all would share one
            network = network_of(client)
            limits.append(Limit("network", network, 60, _HOUR))
            if not vouched:
                limits.append(Limit("network-unvouched", network, 20, _HOUR))
        limits.append(Limit("global", "", self.per_hour, _HOUR))
        return tuple(limits)

    def of_mailbox(self, match_key: str) -> tuple[Limit, ...]:
        """The recipient's own limits, which a reminder is under, too."""
        mailbox = mailbox_of(match_key)
        return Limit("recipient", mailbox, 1, _DAY), Limit("recipient-week", mailbox, 3, 7 * _DAY)

    def admit(self, tx: Transaction, limits: Sequence[Limit], now: float, *, charged: bool = True) -> str:
        """Use up one of each of `limits`; returns the first that is over, and then none is used up.

        Reads and writes the same rows either way: the answer takes as long.

        Args:
            tx: the transaction.
            limits: see `of`.
            now: seconds since 1970.
            charged: False only looks.
        """
        keys = [self._key(limit) for limit in limits]
        marks = ", ".join("?" * len(keys))
        sql = f"SELECT key, full_again FROM signup_limits WHERE key IN ({marks})"  # noqa: S608 - question marks
        known: dict[bytes, float] = dict(tx.query(sql, keys))
        over = ""
        used, unchanged = [], []
        for limit, key in zip(limits, keys, strict=True):
            # A clock that was set back must not lock anybody out for longer than the limit itself.
            full_again = min(max(known.get(key, now), now), now + limit.seconds)
            step = limit.seconds / limit.most
            # Half a second of grace, so that sums of fractions don't cost the last one.
            if full_again + step > now + limit.seconds + 0.5:
                over = over or limit.scope
            used.append((key, full_again + step))
            unchanged.append((key, full_again))
        tx.executemany(
            "INSERT INTO signup_limits (key, full_again) VALUES (?, ?) "
            "ON CONFLICT (key) DO UPDATE SET full_again = excluded.full_again",
            used if charged and not over else unchanged,
        )
        return over

    def _key(self, limit: Limit) -> bytes:
        keyed = blake2b(key=self.secret[:64], digest_size=16, person=b"nl:limit")
        keyed.update(f"{limit.scope}\n{limit.whom}".encode("utf-8", "replace"))
        return keyed.digest()


def forget(tx: Transaction, now: float) -> int:
    """Drop what is whole again; returns how much that was."""
    return tx.execute("DELETE FROM signup_limits WHERE full_again <= ?", (now,))


def mailbox_of(match_key: str) -> str:
    """Which mailbox an address most likely ends in, for limits alone: without `+tag`, and without dots where they don't count.

    Mail is never sent to this: some mailboxes mean what they spell.
    """
    local, _, domain = match_key.rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _DOTLESS:
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}"


def network_of(client: str) -> str:
    """The network that counts as one: /24 of IPv4, /64 of IPv6, which is what one household gets."""
    try:
        address = ip_address(client)
    except ValueError:
        return "unknown"
    bits = 64 if isinstance(address, IPv6Address) else 24
    return f"{int(address) >> (address.max_prefixlen - bits):x}/{bits}"


def is_own_network(client: str) -> bool:
    """Whether the address is of this machine or of a private network, as that of a proxy nobody was told about is."""
    try:
        return ip_address(client).is_private
    except ValueError:
        return False


def is_disposable(match_key: str) -> bool:
    """Whether the address is at a domain known for throwaway mailboxes, or below one."""
    labels = match_key.rpartition("@")[2].split(".")
    return any(".".join(labels[at:]) in _DISPOSABLE for at in range(len(labels) - 1))
