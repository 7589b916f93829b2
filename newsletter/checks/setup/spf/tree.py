"""What does a whole SPF record cost, and whom does it let in? Every term followed, whether a receiver would come that far or not."""

from __future__ import annotations

from dataclasses import dataclass, field

from newsletter.checks.setup.resolver import Found, Resolver
from newsletter.checks.setup.spf.evaluate import MOST_HOSTS, MOST_LOOKUPS
from newsletter.checks.setup.spf.record import (
    ASKING,
    SpfRecord,
    SpfSyntaxError,
    Term,
    macros_of,
    parse_spf,
    spf_texts,
)

# Past this a record is far beyond what any receiver reads; going on would only ask strangers' name servers.
_MOST_FOLLOWED = 3 * MOST_LOOKUPS


@dataclass(slots=True)
class SpfTree:
    """A record and everything it leads to.

    Attributes:
        texts: of the SPF records at the domain itself; a domain may have one.
        record: that one, where it can be read.
        lookups: terms that ask the DNS, in all records together; more than ten are a `permerror`.
        voids: questions of terms that find nothing; more than two are a `permerror`.
        domains: whose records are included, in order, the domain itself first.
        problems: what makes it a `permerror` besides the two limits, in words.
        unasked: questions nobody answered, in words: what is found may not be all.
        ends: the qualifier of the `all` that is reached at the end, or empty.
        open_to_all: the record that lets in the whole world, by `+all` or a network of it; empty for none.
        uses_ptr: whether a term is `ptr`, which RFC 7208 §5.5 tells nobody to use.
    """

    texts: tuple[str, ...] = ()
    record: SpfRecord | None = None
    lookups: int = 0
    voids: int = 0
    domains: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    ends: str = ""
    open_to_all: str = ""
    uses_ptr: bool = False

    def includes(self, domain: str) -> bool:
        """Whether the record of `domain` is part of it."""
        return domain.lower() in self.domains


def follow(resolver: Resolver, domain: str) -> SpfTree:
    """Follow every term of the record of `domain`; macros are left alone, what they lead to depends on the message."""
    tree = SpfTree()
    _visit(tree, resolver, domain.lower().rstrip("."), path=(), asked_by="", included=False)
    return tree


def _visit(
    tree: SpfTree, resolver: Resolver, domain: str, path: tuple[str, ...], asked_by: str, *, included: bool
) -> None:
    if domain in path:
        tree.problems.append(f"{asked_by} of {path[-1]} leads in a circle")
        return
    answer = resolver.lookup(domain, "TXT")
    if answer.failed:
        tree.unasked.append(f"TXT {domain}: {answer.reason}")
        return
    texts = tuple(spf_texts(answer.values))
    tree.domains.append(domain)
    if not path:
        tree.texts = texts
    elif answer.found is not Found.RECORDS:
        tree.voids += 1
    if len(texts) != 1:
        said = f"has {len(texts)} SPF records" if texts else "has no SPF record"
        if path or texts:
            tree.problems.append(f"{domain}{f' ({asked_by})' if asked_by else ''} {said}")
        return
    try:
        record = parse_spf(texts[0])
    except SpfSyntaxError as error:
        tree.problems.append(f"{domain}: {error}")
        return
    if not path:
        tree.record = record
    for term in (*record.terms, *([record.redirect] if record.redirect else [])):
        _follow_term(tree, resolver, term, (*path, domain), included=included)
        if term.name == "all":
            # What stands behind it is never looked at, and `redirect` neither (§5.1).
            break


def _follow_term(
    tree: SpfTree, resolver: Resolver, term: Term, path: tuple[str, ...], *, included: bool
) -> None:
    domain = path[-1]
    if term.name == "all" and not included:
        tree.ends = term.qualifier
    if term.qualifier == "+" and (term.name == "all" or (term.name in ("ip4", "ip6") and term.bits4 == 0)):
        tree.open_to_all = tree.open_to_all or f"{term.text} of {domain}"
    tree.uses_ptr = tree.uses_ptr or term.name == "ptr"
    if term.name not in ASKING:
        return
    tree.lookups += 1
    target = term.target.lower().rstrip(".") or domain
    if macros_of(target) or tree.lookups > _MOST_FOLLOWED:
        return
    match term.name:
        case "include" | "redirect":
            included = included or term.name == "include"
            _visit(tree, resolver, target, path, term.text, included=included)
        case "mx":
            hosts = _ask(tree, resolver, target, "MX")
            if len(hosts) > MOST_HOSTS:
                tree.problems.append(f"{term.text} of {domain}: {target} has more than {MOST_HOSTS} MX hosts")
        case "a":
            # A receiver asks for the kind of address it sees; either is enough.
            if not resolver.lookup(target, "AAAA").values:
                _ask(tree, resolver, target, "A")
        case "exists":
            _ask(tree, resolver, target, "A")
        case _:
            pass


def _ask(tree: SpfTree, resolver: Resolver, name: str, kind: str) -> tuple[str, ...]:
    answer = resolver.lookup(name, kind)
    if answer.failed:
        tree.unasked.append(f"{kind} {name}: {answer.reason}")
    elif answer.found is not Found.RECORDS:
        tree.voids += 1
    return answer.values
