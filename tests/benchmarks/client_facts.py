"""Do our facts on mail clients agree with caniemail's data? Run by hand, with the package's data at hand.

    npm pack caniemail && tar xzf caniemail-*.tgz
    python tests/benchmarks/client_facts.py package/data/caniemail.json [--write]

Prints each feature and client on which `newsletter/checks/clients.json` differs, and leaves with 1 if there is one;
`--write` writes the file anew. Only facts are taken: which feature, which client, whether it is supported.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FACTS = Path(__file__).parent.parent.parent / "newsletter" / "checks" / "clients.json"
# Those that enough features were tried in, by the family of readers they belong to.
FAMILIES = {
    "Gmail": ("gmail/desktop-webmail", "gmail/ios", "gmail/android", "gmail/mobile-webmail"),
    "Apple Mail": ("apple-mail/macos", "apple-mail/ios"),
    "Outlook classic (Windows)": ("outlook/windows", "outlook/windows-mail"),
    "Outlook new and web": ("outlook/outlook-com",),
    "Outlook on phones and Mac": ("outlook/ios", "outlook/android", "outlook/macos"),
    "Yahoo and AOL": (
        *("yahoo/desktop-webmail", "yahoo/ios", "yahoo/android"),
        *("aol/desktop-webmail", "aol/ios", "aol/android"),
    ),
    "Samsung Email": ("samsung-email/android",),
    "Thunderbird": ("thunderbird/macos",),
    "Proton Mail": ("protonmail/desktop-webmail", "protonmail/ios", "protonmail/android"),
    "Fastmail": ("fastmail/desktop-webmail",),
    "HEY": ("hey/desktop-webmail",),
    "GMX and WEB.DE": (
        *("gmx/desktop-webmail", "gmx/ios", "gmx/android"),
        *("web-de/desktop-webmail", "web-de/ios", "web-de/android"),
    ),
    "Orange and SFR": (
        *("orange/desktop-webmail", "orange/ios", "orange/android"),
        *("sfr/desktop-webmail", "sfr/ios", "sfr/android"),
    ),
    "Mail.ru": ("mail-ru/desktop-webmail",),
}
NOT_ABOUT_MARKUP = {"amp", "bimi"}


def latest(stats: dict[str, dict[str, dict[str, str]]], client: str) -> str:
    """`y`, `n`, `a` (partly) or `u` (unknown) of the newest version tried."""
    family, _, platform = client.partition("/")
    versions = stats.get(family, {}).get(platform, {})
    return list(versions.values())[-1][0] if versions else "u"


def facts_of(data: dict[str, Any]) -> dict[str, Any]:
    """Our file, from caniemail's."""
    clients = [client for family in FAMILIES.values() for client in family]
    return {
        "source": "https://www.caniemail.com/features/",
        "tried": data["last_update_date"][:10],
        "families": {name: len(platforms) for name, platforms in FAMILIES.items()},
        "clients": clients,
        "features": {
            feature["slug"]: "".join(latest(feature["stats"], client) for client in clients)
            for feature in data["data"]
            if feature["slug"] not in NOT_ABOUT_MARKUP
        },
    }


def main() -> None:
    expected = facts_of(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    if "--write" in sys.argv:
        FACTS.write_text(json.dumps(expected, indent=0, separators=(",", ":")) + "\n", "utf-8")
    ours = json.loads(FACTS.read_text("utf-8"))
    differing = [
        f"{slug} in {client}: ours {mine!r}, theirs {theirs!r}"
        for slug in expected["features"].keys() | ours["features"].keys()
        for client, mine, theirs in zip(
            expected["clients"],
            ours["features"].get(slug, "-" * len(expected["clients"])),
            expected["features"].get(slug, "-" * len(expected["clients"])),
            strict=True,
        )
        if mine != theirs
    ]
    print("\n".join(sorted(differing)))
    print(f"{len(ours['features'])} features, {len(ours['clients'])} clients, {len(differing)} differences")
    raise SystemExit(bool(differing))


if __name__ == "__main__":
    main()
