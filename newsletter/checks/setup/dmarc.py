"""Which DMARC policy applies to a domain, and what is aligned with it? RFC 9989, with its walk up the DNS tree."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from newsletter.checks.setup.resolver import Answer, Found, Resolver

# RFC 9989 §4.10: a name of more labels is cut down to so many after the first question, which makes eight in all.
_MOST_LABELS: Final = 7
_VERSION: Final = re.compile(r"\s*v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)")
_TAG: Final = re.compile(r"[ \t]*([A-Za-z][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*?)[ \t]*", re.DOTALL)
_MAILTO: Final = re.compile(r"mailto:[^\s@!,;]+@[^\s@!,;]+(?:![0-9]+[kmgt]?)?", re.IGNORECASE)
_POLICIES: Final = ("none", "quarantine", "reject")
_ALLOWED: Final = {
    "p": _POLICIES,
    "sp": _POLICIES,
    "np": _POLICIES,
    "adkim": ("r", "s"),
    "aspf": ("r", "s"),
    "psd": ("y", "n", "u"),
    "t": ("y", "n"),
}
REMOVED: Final = ("pct", "rf", "ri")
_KNOWN: Final = frozenset({"v", "rua", "ruf", "fo", *_ALLOWED, *REMOVED})


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A record.

    Attributes:
        text: as published.
        tags: by name in lower case, without those that are wrong.
        problems: what is wrong with it, in words.
        removed: tags of RFC 7489 that RFC 9989 took away.
        usable: whether receivers apply it (§4.7): not where a policy is wrong and nobody wants reports.
    """

    text: str
    tags: dict[str, str]
    problems: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    usable: bool = True

    @property
    def reports_to(self) -> tuple[str, ...]:
        """The `mailto:` addresses of `rua`."""
        return tuple(
            uri.strip() for uri in self.tags.get("rua", "").split(",") if _MAILTO.fullmatch(uri.strip())
        )

    @property
    def strict_spf(self) -> bool:
        """Whether the envelope's domain has to be the same, not only of the same organisation."""
        return self.tags.get("aspf", "r") == "s"

    @property
    def strict_dkim(self) -> bool:
        """The same of `d=`."""
        return self.tags.get("adkim", "r") == "s"

    @property
    def psd(self) -> str:
        """`y`: a public suffix; `n`: an organisation's own domain; `u`: it doesn't say."""
        return self.tags.get("psd", "u")


def is_dmarc(text: str) -> bool:
    """Whether a TXT value is a DMARC record (§4.7): its first tag is `v=DMARC1`, in that case."""
    return _VERSION.match(text) is not None


def parse_dmarc(text: str) -> DmarcRecord:
    """Read a record that `is_dmarc`; what is wrong with it becomes `problems`."""
    tags: dict[str, str] = {}
    problems: list[str] = []
    wrong_policy = False
    for part in text.split(";"):
        if not part.strip():
            continue
        match = _TAG.fullmatch(part)
        if match is None:
            problems.append(f"`{part.strip()[:60]}` is no tag")
            continue
        name, value = match[1].lower(), match[2]
        if name in tags:
            problems.append(f"`{name}` stands there twice")
            continue
        if name in _ALLOWED and value.lower() not in _ALLOWED[name]:
            problems.append(f"`{name}={value[:40]}` isn't one of {', '.join(_ALLOWED[name])}")
            wrong_policy = wrong_policy or name in ("p", "sp", "np")
            continue
        if name not in _KNOWN:
            problems.append(f"there is no tag `{name}`")
        tags[name] = value.lower() if name in _ALLOWED else value
    record = DmarcRecord(text, tags)
    if "rua" in tags and not record.reports_to:
        problems.append("`rua` has no address such as mailto:dmarc@example.com")
    usable = not wrong_policy or bool(record.reports_to)
    if wrong_policy and usable:
        tags = {name: value for name, value in tags.items() if name not in ("sp", "np")} | {"p": "none"}
    removed = tuple(name for name in REMOVED if name in tags)
    return DmarcRecord(text, tags, tuple(problems), removed, usable)


@dataclass(frozen=True, slots=True)
class Step:
    """One question of a walk.

    Attributes:
        domain: asked about, without `_dmarc`.
        record: the one record there, where it can be used.
        count: of records there; more than one are as good as none.
        answer: what came back.
    """

    domain: str
    record: DmarcRecord | None
    count: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Walk:
    """The questions about a domain, from itself upwards, and what follows from them.

    Attributes:
        domain: the one it is about.
        steps: in the order they were asked.
    """

    domain: str
    steps: tuple[Step, ...] = field(default=())

    @property
    def unasked(self) -> str:
        """Why the walk can't be relied on; empty where every question was answered."""
        return next((f"TXT _dmarc.{s.domain}: {s.answer.reason}" for s in self.steps if s.answer.failed), "")

    @property
    def found(self) -> tuple[Step, ...]:
        """The steps with a record."""
        return tuple(step for step in self.steps if step.record is not None)

    @property
    def organisational_domain(self) -> str:
        """§4.10.2; the domain itself where there are no records at all."""
        for step in self.found:
            assert step.record is not None
            if step.record.psd == "n":
                return step.domain
            if step.record.psd == "y" and step.domain != self.domain:
                labels = self.domain.split(".")
                return ".".join(labels[-(step.domain.count(".") + 2) :])
        return self.found[-1].domain if self.found else self.domain

    @property
    def policy_step(self) -> Step | None:
        """Whose record applies (§4.10.1): the domain's own, else the organisation's, else the public suffix's."""
        by_domain = {step.domain: step for step in self.found}
        own = by_domain.get(self.domain) or by_domain.get(self.organisational_domain)
        if own is not None:
            return own
        return next((s for s in self.found if s.record is not None and s.record.psd == "y"), None)


def walk(resolver: Resolver, domain: str) -> Walk:
    """Ask from `domain` up to the top-level domain, until a record says that it is (or isn't) a public suffix."""
    steps: list[Step] = []
    for name in names_to_ask(domain):
        answer = resolver.lookup(f"_dmarc.{name}", "TXT")
        texts = [text for text in answer.values if is_dmarc(text)]
        record = parse_dmarc(texts[0]) if len(texts) == 1 else None
        steps.append(Step(name, record if record and record.usable else None, len(texts), answer))
        if record is not None and record.psd != "u":
            break
    return Walk(domain.lower(), tuple(steps))


def names_to_ask(domain: str) -> Sequence[str]:
    """The domains of a walk, at most eight (§4.10)."""
    labels = domain.lower().split(".")
    rest = labels[1:] if len(labels) <= _MOST_LABELS else labels[-_MOST_LABELS:]
    return [".".join(labels), *(".".join(rest[at:]) for at in range(len(rest)))]


@dataclass(frozen=True, slots=True)
class Policy:
    """What is asked of receivers for mail of a domain that fails.

    Attributes:
        action: none, quarantine or reject.
        tag: which tag says so: `p`, `sp` or `np`; empty where none does and `none` is meant.
        testing: `t=y`: receivers are to treat it one step more mildly.
        step: where the record stands.
    """

    action: str
    tag: str
    testing: bool
    step: Step

    @property
    def effective(self) -> str:
        """The action, a step milder while testing (§4.7, `t`)."""
        return _POLICIES[max(_POLICIES.index(self.action) - 1, 0)] if self.testing else self.action


def policy_of(walked: Walk, *, exists: bool) -> Policy | None:
    """What applies to the domain of a walk; None where nobody published a policy.

    Args:
        walked: the walk.
        exists: whether the domain itself is in the DNS; `np` is for those that aren't.
    """
    step = walked.policy_step
    if step is None or step.record is None:
        return None
    tags = step.record.tags
    order = ("p",) if step.domain == walked.domain else ("sp", "p") if exists else ("np", "sp", "p")
    tag = next((name for name in order if name in tags), "")
    return Policy(tags.get(tag, "none"), tag, tags.get("t") == "y", step)


def aligned(domain: str, other: str, resolver: Resolver, *, strict: bool) -> bool:
    """Whether `other`, of the envelope or of a signature, vouches for the From domain (§4.10.3)."""
    domain, other = domain.lower(), other.lower()
    if domain == other:
        return True
    if strict:
        return False
    return walk(resolver, domain).organisational_domain == walk(resolver, other).organisational_domain


def exists(answers: Sequence[Answer]) -> bool:
    """Whether a name is in the DNS, by the answers to its A, AAAA and MX (§3.2.14)."""
    return any(answer.found is not Found.NO_NAME for answer in answers)
