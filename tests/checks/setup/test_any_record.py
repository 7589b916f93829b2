"""Whatever a stranger publishes: a record is read or refused in words, and nothing else ever happens."""

from __future__ import annotations

import base64
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.checks.setup import dmarc
from newsletter.checks.setup.dkim_key import parse_key
from newsletter.checks.setup.resolver import Answer, Found
from newsletter.checks.setup.spf.evaluate import SpfResult, check_host
from newsletter.checks.setup.spf.record import SpfSyntaxError, parse_spf
from newsletter.checks.setup.spf.tree import follow

NAMES: Final = ("example.com", "a.example.com", "b.example.com")
WORDS: Final = st.one_of(
    st.sampled_from(
        ["a", "mx", "ptr", "-all", "~all", "exists:%{i}.example.com", "include:a.example.com", "include:b.example.com",
         "redirect=b.example.com", "redirect=example.com", "exp=a.example.com", "a:%{l1r-}.example.com//64", "mx/24",
         "ip4:192.0.2.0/24", "ip6:2001:db8::/32", "x=%{d}", "%{p}", "exists:%{p2}.%{v}.%{h}", "a/" + "9" * 5000,
         "exists:%{d" + "1" * 5000 + "}.com"]
    ),
    st.text(alphabet="aimx:/=%{}r.-_+~?0123456789 \t\u00e9\\", max_size=14),
)  # fmt: skip
RECORDS: Final = st.lists(WORDS, max_size=6).map(lambda words: " ".join(["v=spf1", *words]))


class Table:
    """Answers from a table: what is published is made up here, and thousands of times."""

    def __init__(self, texts: dict[str, list[str]]) -> None:
        self._texts = texts

    def lookup(self, name: str, kind: str) -> Answer:
        match kind:
            case "TXT":
                values = tuple(self._texts.get(name.lower(), ()))
            case "A" | "AAAA" if name in NAMES:
                values = ("192.0.2.1",) if kind == "A" else ("2001:db8::1",)
            case "PTR" | "MX" if name.endswith(("arpa", "example.com")):
                values = ("a.example.com",) if kind == "PTR" else ("10 b.example.com",)
            case _:
                return Answer(Found.FAILED, reason="nobody knows") if "9" in name else Answer(Found.NO_NAME)
        return Answer(Found.RECORDS if values else Found.NOTHING, values, name)


@settings(max_examples=150)
@given(
    st.fixed_dictionaries({name: st.lists(RECORDS, max_size=2) for name in NAMES}),
    st.sampled_from(["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"]),
    st.sampled_from(["ada@example.com", "", "@example.com", "a%b{c}@example.com", "\u00e9@example.com"]),
)
def test_any_spf_record_ends_in_a_result(texts: dict[str, list[str]], ip: str, sender: str) -> None:
    resolver = Table(texts)
    assert check_host(resolver, ip, sender, "a.example.com").result in SpfResult
    tree = follow(resolver, "example.com")
    assert tree.lookups < 1000
    for found in texts["example.com"]:
        try:
            parse_spf(found)
        except SpfSyntaxError as error:
            # Said at a terminal, whatever was published.
            said = str(error)
        else:
            said = ""
        assert said.isprintable()
        assert len(said) < 200


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(["p=none", "p=", "sp=x", "psd=y", "t=y", "rua=mailto:a@b.c!5m,x", "=", "p", "v=DMARC1", "\u00e9=1", "np=reject"])
             | st.text(max_size=8), max_size=6).map("; ".join),
)  # fmt: skip
def test_any_dmarc_record_is_read(text: str) -> None:
    record = dmarc.parse_dmarc(f"v=DMARC1; {text}")
    assert record.psd in ("y", "n", "u")
    assert record.tags.get("p", "none") in ("none", "quarantine", "reject")
    dmarc.is_dmarc(text)


@settings(max_examples=150)
@given(
    st.one_of(
        st.text(max_size=40),
        st.binary(max_size=80).map(lambda data: f"v=DKIM1; p={base64.b64encode(data).decode()}"),
        st.sampled_from(["v=DKIM1; k=ed25519; p=", "k=rsa; p=MFww", "p=" + "A" * 5000]),
    )
)
def test_any_key_is_read_or_refused_in_words(text: str) -> None:
    key = parse_key(text)
    assert key.problem or key.bits >= 256
