"""What can a site do? Ask somebody to join, look somebody up, tag them, take them off; by the rules of every other way in.

Nobody who left is brought back by it: only their own press in a mail does that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address

from newsletter.audience.addresses import Address, AddressError, parse_address
from newsletter.audience.columns import clean_tags, clean_text
from newsletter.audience.consent import ConsentEvent
from newsletter.audience.joining import JoinRequest
from newsletter.audience.membership import Outcome
from newsletter.errors import UsageError
from newsletter.model.subscriber import Subscriber, SubscriberStatus
from newsletter.store import subscribers as people
from newsletter.store.api_keys import ApiKey, Scope
from newsletter.store.base import Transaction, utc_text
from newsletter.web.api.bodies import Asked, Join, Left, Lookup, Person, TagChange, person_of
from newsletter.web.api.problems import Fault, ProblemError
from newsletter.web.limits import Limit, SignupLimits, is_disposable
from newsletter.web.mailer import Mailer
from newsletter.web.service import Service

_LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Operations:
    """The operations of one service.

    Attributes:
        service: what a request needs.
        mailer: looks at what was written down.
        limits: the same as the form's.
    """

    service: Service
    mailer: Mailer
    limits: SignupLimits

    async def join(self, key: ApiKey, body: Join) -> tuple[int, Asked | Person]:
        """Ask somebody to confirm, or put somebody on the list who confirmed elsewhere.

        Raises:
            ProblemError: 403, 409 or 422.
        """
        if body.confirmed and Scope.IMPORT not in key.scopes:
            raise ProblemError(403, f"`confirmed` needs the scope {Scope.IMPORT}")
        if not body.confirmed and Scope.WRITE not in key.scopes:
            raise ProblemError(403, f"asking people to join needs the scope {Scope.WRITE}")
        address = _address(body.email)
        if not self.mailer.reaches(address.email):
            fault = Fault("#/email", "mail can't get to an address with such letters before the @ (RFC 6531)")
            raise ProblemError(422, "the provider can't carry this address", faults=[fault])
        if body.confirmed:
            return await self._put(key, body, address)
        only = [name for name in ("name", "tags", "proof") if getattr(body, name)]
        if only:
            faults = [Fault(f"#/{name}", "goes with `confirmed` only") for name in only]
            raise ProblemError(422, "who hasn't confirmed yet has an address alone", faults=faults)
        return await self._ask(key, body, address)

    async def _ask(self, key: ApiKey, body: Join, address: Address) -> tuple[int, Asked]:
        now = self.service.clock.now()
        ip = _network_address(body.ip)
        request = JoinRequest(
            email=address.email,
            match_key=address.match_key,
            at=utc_text(now),
            source=clean_text(body.source) or _source(key),
            ip=ip,
            user_agent=clean_text(body.user_agent),
            form_id=clean_text(body.form_id),
            text_version=self.mailer.joining.consent.version,
            disposable=is_disposable(address.match_key),
        )
        limits = self.limits.of(address.match_key, ip, vouched=True)
        if not ip:  # all people of all sites would share the network nobody knows
            limits = tuple(limit for limit in limits if limit.scope != "network")
        await self.service.write(partial(self._receive, request=request, limits=limits, now=now.timestamp()))
        self.mailer.wake()
        return 202, Asked(status="asked")

    def _receive(
        self, tx: Transaction, *, request: JoinRequest, limits: tuple[Limit, ...], now: float
    ) -> None:
        over = self.limits.admit(tx, limits, now)
        self.mailer.joining.receive(tx, request.holding_back(over))

    async def _put(self, key: ApiKey, body: Join, address: Address) -> tuple[int, Person]:
        proof, tags = clean_text(body.proof), _clean(body.tags, "#/tags")
        if not proof:
            fault = Fault("#/proof", "say how and when they confirmed")
            raise ProblemError(422, "consent has to be provable", faults=[fault])
        event = ConsentEvent(
            "added",
            utc_text(self.service.clock.now()),
            clean_text(body.source) or _source(key),
            "operator",
            ip=_network_address(body.ip),
            user_agent=clean_text(body.user_agent),
            form_id=clean_text(body.form_id),
            detail=f"{_source(key)}: {proof}",
        )

        def put(tx: Transaction) -> tuple[Subscriber, Outcome]:
            return self.service.audience.put(tx, address, event, name=clean_text(body.name), tags=tags)

        try:
            person, outcome = await self.service.write(put)
        except UsageError:
            raise ProblemError(
                409,
                "this person left, bounced or complained: only their own press in a mail brings them back;"
                " leave `confirmed` out and they are asked",
            ) from None
        return (201 if outcome is Outcome.ADDED else 200), person_of(person)

    async def show(self, _: ApiKey, number: str) -> tuple[int, Person]:
        """A person by their number.

        Raises:
            ProblemError: 404.
        """
        return 200, person_of(self._found(people.find(self.service.database, id=_id(number))))

    async def lookup(self, _: ApiKey, body: Lookup) -> tuple[int, Person]:
        """A person by their address, however it is spelled.

        Raises:
            ProblemError: 404, or 422 where it isn't an address.
        """
        key = _address(body.email).match_key
        return 200, person_of(self._found(people.find(self.service.database, match_key=key)))

    async def tag(self, _: ApiKey, number: str, body: TagChange) -> tuple[int, Person]:
        """Give and take tags; a tag in both lists is given.

        Raises:
            ProblemError: 404, or 422 where a tag is nothing but spaces.
        """
        adding, removing = _clean(body.add, "#/add"), _clean(body.remove, "#/remove")
        wanted = _id(number)

        def change(tx: Transaction) -> Subscriber | None:
            if people.find(tx, id=wanted) is None:
                return None
            people.remove_tags(tx, wanted, removing)
            people.add_tags(tx, wanted, adding)
            return people.find(tx, id=wanted)

        return 200, person_of(self._found(await self.service.write(change)))

    async def unsubscribe(self, key: ApiKey, number: str) -> tuple[int, Left]:
        """Take a person off the list, for good; doing it twice is fine.

        Raises:
            ProblemError: 404.
        """
        wanted, at = _id(number), utc_text(self.service.clock.now())
        event = ConsentEvent(SubscriberStatus.UNSUBSCRIBED, at, _source(key), "operator")

        def leave(tx: Transaction) -> tuple[bool, Subscriber | None]:
            changed = self.service.audience.leave(tx, wanted, SubscriberStatus.UNSUBSCRIBED, event)
            return changed, people.find(tx, id=wanted)

        changed, found = await self.service.write(leave)
        person = self._found(found)
        return 200, Left(id=person.id, status=person.status, changed=changed)

    def _found(self, person: Subscriber | None) -> Subscriber:
        if person is None:
            raise ProblemError(404, "there is nobody like that on the list")
        return person


def _address(email: str) -> Address:
    try:
        return parse_address(email)
    except AddressError as error:
        # The error's own words repeat what was sent.
        fault = Fault("#/email", "this isn't an email address")
        raise ProblemError(422, "the body is not what this operation takes", faults=[fault]) from error


def _clean(tags: Sequence[str], pointer: str) -> tuple[str, ...]:
    cleaned = clean_tags(tags)
    if len(cleaned) < len(set(tags)) and not all(clean_text(tag) for tag in tags):
        fault = Fault(pointer, "a tag has letters")
        raise ProblemError(422, "the body is not what this operation takes", faults=[fault])
    return cleaned


def _network_address(text: str) -> str:
    try:
        return str(ip_address(text)) if text else ""
    except ValueError:
        fault = Fault("#/ip", "this isn't a network address")
        raise ProblemError(422, "the body is not what this operation takes", faults=[fault]) from None


def _id(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    if not 0 < number <= _LARGEST_ID:
        raise ProblemError(404, "there is nobody like that on the list")
    return number


def _source(key: ApiKey) -> str:
    return f"api:{key.name}"
