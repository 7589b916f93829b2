"""One sending domain after another, as receivers would judge it: the zone in, the lines out."""

from __future__ import annotations

import re
import threading
from dataclasses import replace

import pytest

from newsletter.checks.setup.domain import domain_questions
from newsletter.checks.setup.line import Area, Line, Status
from newsletter.checks.setup.rounds import ask_all
from newsletter.checks.setup.spf.tree import follow
from newsletter.checks.setup.subject import Identity
from tests.checks.setup.conftest import Serve
from tests.checks.setup.test_dkim_key import public
from tests.fakes.dns import SERVFAIL, Entry, Zone

RESEND = Identity("ada.dev", "resend", "ada")
SMTP = Identity("ada.dev", "smtp", "ada", smtp_host="mail.ada.dev", selectors=("s1",))
KEY = f"v=DKIM1; k=rsa; p={public(2048)}"
WORLD: Zone = {
    "ada.dev": [("MX", "10 mail.ada.dev"), ("TXT", "v=spf1 mx -all")],
    "mail.ada.dev": [("A", "192.0.2.25")],
    "25.2.0.192.in-addr.arpa": [("PTR", "mail.ada.dev")],
    "_dmarc.ada.dev": [("TXT", "v=DMARC1; p=quarantine; rua=mailto:dmarc@ada.dev")],
    "send.ada.dev": [
        ("MX", "10 feedback-smtp.eu-west-1.amazonses.com"),
        ("TXT", "v=spf1 include:amazonses.com ~all"),
    ],
    "feedback-smtp.eu-west-1.amazonses.com": [("A", "192.0.2.80")],
    "amazonses.com": [("TXT", "v=spf1 ip4:198.51.100.0/24 -all")],
    "resend._domainkey.ada.dev": [("TXT", KEY)],
    "s1._domainkey.ada.dev": [("TXT", KEY)],
}


def judge(
    serve: Serve, identity: Identity, changes: Zone | None = None, told: tuple[str, ...] = ()
) -> dict[str, Line]:
    """The lines by id; a name that is changed to nothing is gone."""
    zone = {name: entries for name, entries in {**WORLD, **(changes or {})}.items() if entries}
    lines = ask_all(domain_questions(identity, serve(zone), lambda: told), 20)
    assert len({line.id for line in lines}) == len(lines)
    for line in lines:
        assert line.asked
        assert line.answer
        assert line.advice or line.status is Status.OK or line.optional, line
    return {line.id: line for line in lines}


def txt(*texts: str) -> list[Entry]:
    return [("TXT", text) for text in texts]


@pytest.mark.parametrize(
    "identity", [RESEND, SMTP, Identity("ada.dev", "mailgun", provider_domain="ada.dev")]
)
def test_a_domain_that_is_set_up_well_passes_everything(serve: Serve, identity: Identity) -> None:
    changes: Zone = {}
    if identity.provider == "mailgun":
        changes = {
            "ada.dev": [*WORLD["ada.dev"][:1], *txt("v=spf1 mx include:mailgun.org -all")],
            "mailgun.org": txt("v=spf1 ip4:198.51.100.0/24 -all"),
            "mx._domainkey.ada.dev": txt(KEY),
        }
    lines = judge(serve, identity, changes)
    assert {line.id: line.answer for line in lines.values() if line.status is not Status.OK} == {}
    assert "aligned by DKIM and by SPF" in lines["dns.dmarc.alignment"].answer


@pytest.mark.parametrize(
    ("identity", "changes", "found"),
    [
        (RESEND, {"send.ada.dev": []}, ("dns.spf", "fail", "no SPF record")),
        (RESEND, {"send.ada.dev": txt("v=spf1 mx ~all")}, ("dns.spf", "fail", "doesn't let Resend send")),
        (
            RESEND,
            {"send.ada.dev": txt("v=spf1 a -all", "v=spf1 mx -all")},
            ("dns.spf", "fail", "2 SPF records"),
        ),
        (RESEND, {"send.ada.dev": [SERVFAIL]}, ("dns.spf", "unknown", "SERVFAIL")),
        (RESEND, {"amazonses.com": [SERVFAIL]}, ("dns.spf", "unknown", "SERVFAIL")),
        (SMTP, {"ada.dev": txt("v=spf1 +all")}, ("dns.spf", "fail", "everybody in the world")),
        (SMTP, {"ada.dev": txt("v=spf1 mx")}, ("dns.spf", "warn", "everybody else")),
        (SMTP, {"ada.dev": txt("v=spf1 mx ptr -all")}, ("dns.spf", "warn", "`ptr`")),
        (SMTP, {"ada.dev": txt("v=spf1 ip4:192.0.2.999 -all")}, ("dns.spf", "fail", "permerror")),
        (
            SMTP,
            {"ada.dev": txt("v=spf1 a:x.ada.dev a:y.ada.dev a:z.ada.dev -all")},
            ("dns.spf", "fail", "lead to nothing"),
        ),
        (
            SMTP,
            {"ada.dev": txt("v=spf1 ip4:203.0.113.1 -all")},
            ("dns.spf.address", "fail", "-all of ada.dev"),
        ),
        (RESEND, {"resend._domainkey.ada.dev": []}, ("dns.dkim", "fail", "none of the selectors")),
        (RESEND, {"resend._domainkey.ada.dev": txt("p=")}, ("dns.dkim.resend", "fail", "revoked")),
        (
            RESEND,
            {"resend._domainkey.ada.dev": txt(f"p={public(1024)}")},
            ("dns.dkim.resend", "warn", "1024 bits"),
        ),
        (RESEND, {"resend._domainkey.ada.dev": txt(f"t=y; {KEY[9:]}")}, ("dns.dkim.resend", "warn", "t=y")),
        (
            RESEND,
            {"resend._domainkey.ada.dev": txt(KEY, KEY + " ")},
            ("dns.dkim.resend", "fail", "2 records"),
        ),
        (RESEND, {"resend._domainkey.ada.dev": [SERVFAIL]}, ("dns.dkim.resend", "unknown", "SERVFAIL")),
        (SMTP, {"s1._domainkey.ada.dev": []}, ("dns.dkim.s1", "fail", "no key")),
        (RESEND, {"_dmarc.ada.dev": []}, ("dns.dmarc", "warn", "no DMARC record")),
        (replace(RESEND, audience=5000), {"_dmarc.ada.dev": []}, ("dns.dmarc", "fail", "no DMARC record")),
        (RESEND, {"_dmarc.ada.dev": [SERVFAIL]}, ("dns.dmarc", "unknown", "SERVFAIL")),
        (
            RESEND,
            {"_dmarc.ada.dev": txt("v=DMARC1; p=none", "v=DMARC1; p=reject")},
            ("dns.dmarc", "fail", "2 DMARC"),
        ),
        (RESEND, {"_dmarc.ada.dev": txt("v=DMARC1; p=never")}, ("dns.dmarc", "fail", "can't be used")),
        (RESEND, {"_dmarc.ada.dev": txt("v=DMARC1; p=none; pct=50")}, ("dns.dmarc", "warn", "`pct`")),
        (RESEND, {"_dmarc.ada.dev": txt("v=DMARC1; rua=mailto:d@ada.dev")}, ("dns.dmarc", "warn", "no `p=`")),
        (RESEND, {"_dmarc.ada.dev": txt("v=DMARC1; p=none")}, ("dns.dmarc", "ok", "enough for Gmail")),
        (RESEND, {"_dmarc.ada.dev": txt("v=DMARC1; p=reject; t=y")}, ("dns.dmarc", "ok", "in test")),
        (
            replace(SMTP, dkim_domain="other.dev", envelope="other.dev"),
            {
                "other.dev": [*txt("v=spf1 mx -all"), ("MX", "10 mail.ada.dev")],
                "s1._domainkey.other.dev": txt(KEY),
            },
            ("dns.dmarc.alignment", "warn", "neither"),
        ),
        (SMTP, {"25.2.0.192.in-addr.arpa": []}, ("dns.ptr", "fail", "no name")),
        (
            SMTP,
            {"25.2.0.192.in-addr.arpa": [("PTR", "else.where.example")]},
            ("dns.ptr", "fail", "doesn't lead back"),
        ),
        (SMTP, {"25.2.0.192.in-addr.arpa": [SERVFAIL]}, ("dns.ptr", "unknown", "SERVFAIL")),
        (RESEND, {"ada.dev": txt("v=spf1 -all")}, ("dns.mx", "warn", "neither MX nor address")),
        (RESEND, {"ada.dev": [("A", "192.0.2.1")]}, ("dns.mx", "ok", "its address 192.0.2.1")),
        (RESEND, {"ada.dev": [("MX", "0 .")]}, ("dns.mx", "warn", "null MX")),
        (RESEND, {"mail.ada.dev": []}, ("dns.mx", "fail", "no MX host has an address")),
        (RESEND, {"mail.ada.dev": [SERVFAIL]}, ("dns.mx", "unknown", "no answer")),
        (
            RESEND,
            {"mail.ada.dev": [("CNAME", "h.ada.dev")], "h.ada.dev": [("A", "192.0.2.1")]},
            ("dns.mx", "warn", "alias"),
        ),
        (
            RESEND,
            {"_smtp._tls.ada.dev": txt("v=TLSRPTv1; rua=mailto:t@ada.dev")},
            ("dns.tls_rpt", "ok", "is published"),
        ),
        (
            RESEND,
            {"_mta-sts.ada.dev": txt("v=STSv1; id=1", "v=STSv1; id=2")},
            ("dns.mta_sts", "warn", "2 records"),
        ),
    ],
)
def test_each_fault_is_found_and_nothing_else_is_called_one(
    serve: Serve, identity: Identity, changes: Zone, found: tuple[str, str, str]
) -> None:
    id_, status, said = found
    line = judge(serve, identity, changes)[id_]
    assert (line.status.value, said in line.answer) == (status, True), line


@pytest.mark.parametrize(
    ("host", "include", "selector"),
    [
        ("smtp.gmail.com", "_spf.google.com", "google"),
        ("smtp.office365.com", "spf.protection.outlook.com", "selector1"),
        ("smtp.fastmail.com", "spf.messagingengine.com", "fm1"),
    ],
)
def test_a_mail_server_of_a_known_service_has_its_include_and_its_key(
    serve: Serve, host: str, include: str, selector: str
) -> None:
    identity = Identity("ada.dev", "smtp", "ada", smtp_host=host)
    lines = judge(serve, identity)
    assert lines["dns.spf"].publish[0].value == f"v=spf1 mx include:{include} -all"
    assert lines["dns.dkim"].status is Status.FAIL
    good: Zone = {
        "ada.dev": [*WORLD["ada.dev"][:1], *txt(f"v=spf1 include:{include} -all")],
        include: txt("v=spf1 ip4:198.51.100.0/24 -all"),
        f"{selector}._domainkey.ada.dev": txt(KEY),
    }
    lines = judge(serve, identity, good)
    assert {line.id for line in lines.values() if line.status is not Status.OK} == set()
    assert "dns.ptr" not in lines


def test_reports_to_another_organisation_need_its_consent(serve: Serve) -> None:
    policy = txt("v=DMARC1; p=none; rua=mailto:x@reports.other.dev!10m,mailto:dmarc@ada.dev")
    changes: Zone = {"_dmarc.ada.dev": policy, "_dmarc.other.dev": txt("v=DMARC1; p=none")}
    line = judge(serve, RESEND, changes)["dns.dmarc.reports"]
    assert line.status is Status.WARN
    [wanted] = line.publish
    assert (wanted.name, wanted.value) == ("ada.dev._report._dmarc.reports.other.dev", "v=DMARC1")
    agreed = judge(serve, RESEND, {**changes, wanted.name: txt(wanted.value)})
    assert agreed["dns.dmarc.reports"].status is Status.OK
    assert "dns.dmarc.reports" not in judge(serve, RESEND)


def test_a_mail_server_named_by_its_address_gets_a_name_to_publish(serve: Serve) -> None:
    address = "9.9.9.9"
    identity = replace(SMTP, smtp_host=address)
    zone: Zone = {
        "ada.dev": [("MX", "10 mail.ada.dev"), *txt(f"v=spf1 ip4:{address} -all")],
        "9.9.9.9.in-addr.arpa": [],
    }
    lines = judge(serve, identity, zone)
    assert lines["dns.spf.address"].status is Status.OK
    assert lines["dns.ptr"].publish[0].value == "mail.ada.dev."


def test_a_mail_server_of_a_provider_is_judged_as_the_provider_is(serve: Serve) -> None:
    lines = judge(serve, Identity("ada.dev", "smtp", "ada", smtp_host="smtp.resend.com"))
    assert {line.id: line.answer for line in lines.values() if line.status is not Status.OK} == {}
    assert "lets Resend send" in lines["dns.spf"].answer


def test_a_domain_that_isnt_there_fails(serve: Serve) -> None:
    lines = judge(serve, Identity("nobody.dev", "resend"))
    assert lines["dns.mx"].status is Status.FAIL
    assert "no such domain" in lines["dns.mx"].answer


def test_without_a_network_nothing_fails(serve: Serve) -> None:
    for identity in (RESEND, SMTP):
        lines = ask_all(domain_questions(identity, serve({})), 20)
        assert {line.status for line in lines if not line.optional} <= {Status.UNKNOWN, Status.OK}
        assert any(line.status is Status.UNKNOWN for line in lines)


def test_what_is_to_be_published_mends_what_was_wrong(serve: Serve) -> None:
    """Each record is put into the zone, and asked about again."""
    own = replace(SMTP, own_key=public(2048), own_selector="s1")
    broken: Zone = {
        "ada.dev": [("MX", "10 mail.ada.dev"), ("TXT", "v=spf1 ip4:203.0.113.9 ?all")],
        "s1._domainkey.ada.dev": txt(f"p={public(1024)}"),
        "_dmarc.ada.dev": [],
        "25.2.0.192.in-addr.arpa": [],
    }
    lines = judge(serve, own, broken)
    wanted = list(dict.fromkeys(record for line in lines.values() for record in line.publish))
    assert len({record.name for record in wanted}) == len(wanted)
    assert {record.type for record in wanted} == {"TXT", "PTR"}
    mended: dict[str, list[Entry]] = {"ada.dev": [("MX", "10 mail.ada.dev")]}
    for record in wanted:
        value = (
            re.sub(r'"(?: ")?', "", record.pasteable)
            if record.pasteable.startswith('"')
            else record.pasteable
        )
        mended[record.name] = [*mended.get(record.name, []), (record.type, value)]
    again = judge(serve, own, mended)
    assert {line.id: line.answer for line in again.values() if line.status is not Status.OK} == {}


def test_the_records_we_write_are_ones_we_read(serve: Serve) -> None:
    for changes in ({"ada.dev": txt("v=spf1 a -all", "v=spf1 mx ~all")}, {"ada.dev": txt("v=spf1 mx +all")}):
        [record] = judge(serve, SMTP, changes)["dns.spf"].publish
        tree = follow(serve({**WORLD, record.name: txt(record.value)}), record.name)
        assert tree.problems == []
        assert (tree.ends, tree.open_to_all) == ("~", "")


def test_selectors_the_provider_names_stand_in_for_those_we_guess(serve: Serve) -> None:
    lines = judge(
        serve, Identity("ada.dev", "ses"), {"abc123._domainkey.ada.dev": txt(KEY)}, told=("abc123", "def456")
    )
    assert lines["dns.dkim.abc123"].status is Status.OK
    assert lines["dns.dkim.def456"].status is Status.FAIL


def test_another_key_than_ours_is_noticed(serve: Serve) -> None:
    line = judge(serve, replace(SMTP, own_key=public(1024), own_selector="s1"))["dns.dkim.s1"]
    assert line.status is Status.FAIL
    assert line.publish[0].value.endswith(public(1024))


@pytest.mark.parametrize("domain", ["example.com", "news.example.org", "ada.test", "x.localhost"])
def test_a_domain_nobody_can_own_is_said_to_be_one(domain: str, serve: Serve) -> None:
    [line] = ask_all(domain_questions(Identity(domain, "resend"), serve({})), 5)
    assert line.status is Status.FAIL
    [line] = ask_all(domain_questions(Identity(domain, "outbox"), serve({})), 5)
    assert line.status is Status.WARN


def test_a_file_that_cant_be_read_is_one_line_among_others() -> None:
    done = Line("machine.disk", Area.MACHINE, Status.OK, "asked", "answered")

    def refuse() -> list[Line]:
        raise PermissionError(13, "Permission denied", "/srv/newsletter.db")

    refused, other = ask_all([("machine.store", refuse), ("machine.disk", lambda: [done])], 5)
    assert (refused.status, refused.answer) == (Status.FAIL, "/srv/newsletter.db: Permission denied")
    assert other is done


def test_a_question_that_takes_too_long_is_unknown() -> None:
    done = Line("machine.disk", Area.MACHINE, Status.OK, "asked", "answered")
    silent = threading.Event()

    def wait() -> list[Line]:
        silent.wait(20)
        return []

    try:
        slow, quick = ask_all([("dns.spf", wait), ("machine.disk", lambda: [done])], 0.1)
    finally:
        silent.set()
    assert (slow.id, slow.status) == ("dns.spf", Status.UNKNOWN)
    assert quick is done
