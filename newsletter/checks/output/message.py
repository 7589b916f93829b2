"""Which rules are there for a finished message, and what do they say about one?"""

from __future__ import annotations

from collections.abc import Collection

from newsletter.checks.output import clients_rules, colour_rules, duties, markup, text_rules
from newsletter.checks.output.mail import OutgoingMail, mail_of_html, read_mail
from newsletter.checks.output.origin import Origin
from newsletter.checks.output.rule import OutputRule, Report
from newsletter.diagnostics import Diagnostic
from newsletter.model.publication import Publication

RULES: tuple[OutputRule, ...] = (
    *markup.RULES,
    *colour_rules.RULES,
    *clients_rules.RULES,
    *text_rules.RULES,
    *duties.RULES,
)


def check_message(
    raw: bytes,
    publication: Publication | None = None,
    origin: Origin | None = None,
    off: Collection[str] = (),
) -> list[Diagnostic]:
    """What is wrong with a message as it leaves, each finding with the place it was written at as far as that can be told.

    Args:
        raw: the whole message, headers included.
        publication: who sends, for the checks of the postal address and of foreign addresses.
        origin: what it was made of; without it findings are about `message`.
        off: codes nobody wants to hear of; a rule that has no other is not run.
    """
    return check_mail(read_mail(raw, publication), origin or Origin(), off)


def check_html(html: str, origin: Origin | None = None, off: Collection[str] = ()) -> list[Diagnostic]:
    """The same for an HTML part alone, whoever made it: the rules that hold for any mail."""
    return check_mail(mail_of_html(html), origin or Origin(), off)


def check_mail(mail: OutgoingMail, origin: Origin, off: Collection[str] = ()) -> list[Diagnostic]:
    """The same for a message that was taken apart already."""
    report = Report(origin)
    for rule in RULES:
        if (rule.of_any or mail.headers) and any(code not in off for code in rule.codes):
            rule.check(mail, report)
    return [diagnostic for diagnostic in report.found if diagnostic.code not in off]
