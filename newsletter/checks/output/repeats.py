"""Which findings about the message say what the checks of the source have said already?"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from newsletter.diagnostics import Diagnostic

# What a rule on the message finds, and the rules on the source that see the same fault.
SAID_OF_THE_SOURCE: dict[str, tuple[str, ...]] = {
    "NL403": ("NL306", "NL827"),
    "NL404": ("NL306",),
    "NL405": ("NL307", "NL405", "NL827"),
    "NL407": ("NL312", "NL817", "NL820"),
    "NL410": ("NL308", "NL820", "NL821"),
    "NL450": ("NL303",),
    "NL705": ("NL214",),
    "NL707": ("NL819",),
    "NL709": ("NL305",),
    "NL731": ("NL309",),
    "NL732": ("NL308", "NL811", "NL854"),
    "NL733": ("NL107", "NL834"),
    "NL734": ("NL308", "NL817", "NL821"),
}


def once(found: Sequence[Diagnostic], issues: Collection[str]) -> list[Diagnostic]:
    """`found` with each fault of a template or a setting said once, however many of `issues` show it."""
    kept: dict[tuple[object, ...], Diagnostic] = {}
    for one in found:
        place = (one.code, one.path, one.line, one.column)
        kept.setdefault(place if one.path not in issues else (*place, one.message), one)
    return list(kept.values())


def without_repeats(output: Sequence[Diagnostic], source: Sequence[Diagnostic]) -> list[Diagnostic]:
    """`output` without what the checks of the source have said of the same line already."""
    said = {(found.path, found.line, found.code) for found in source}
    return [
        found
        for found in output
        if not any((found.path, found.line, code) in said for code in SAID_OF_THE_SOURCE.get(found.code, ()))
    ]
