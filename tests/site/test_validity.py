"""Does every file of the site keep to the rules of its format? Pages, structured data, JSON Feed, sitemap; the Nu checker where it is."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator

from tests.conftest import ROOT, missing
from tests.site.conftest import Newsletter

BASE = "https://notes.example.com"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"

_ADDRESS = {"type": "string", "pattern": r"^https?://[^\s/]+/?\S*$"}
_TEXT = {"type": "string", "minLength": 1}
_MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$"}


def _table(required: list[str], **properties: Any) -> dict[str, Any]:
    """An object with no other names, but for extensions, which begin with an underscore."""
    return {
        "type": "object",
        "properties": properties,
        "patternProperties": {"^_[A-Za-z][^.]*$": {"type": "object"}},
        "additionalProperties": False,
        "required": required,
    }


_AUTHORS = {
    "type": "array",
    "minItems": 1,
    "items": _table([], name=_TEXT, url=_ADDRESS, avatar=_ADDRESS) | {"minProperties": 1},
}
# https://www.jsonfeed.org/version/1.1/; what it only recommends for public feeds is required here.
JSON_FEED = _table(
    ["version", "title", "home_page_url", "feed_url", "items"],
    version={"const": "https://jsonfeed.org/version/1.1"},
    title=_TEXT,
    home_page_url=_ADDRESS,
    feed_url=_ADDRESS,
    description=_TEXT,
    icon=_ADDRESS,
    favicon=_ADDRESS,
    authors=_AUTHORS,
    language={"type": "string", "pattern": "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"},
    expired={"type": "boolean"},
    items={
        "type": "array",
        "items": _table(
            ["id", "url", "title", "content_html", "date_published"],
            id=_TEXT,
            url=_ADDRESS,
            title=_TEXT,
            content_html=_TEXT,
            summary=_TEXT,
            image=_ADDRESS,
            date_published=_MOMENT,
            date_modified=_MOMENT,
            authors=_AUTHORS,
            tags={"type": "array", "items": _TEXT, "uniqueItems": True},
            language=_TEXT,
        ),
    },
)


class Head(HTMLParser):
    """What a page says of itself."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.meta: dict[str, str] = {}
        self.links: list[dict[str, str]] = []
        self.data: list[dict[str, Any]] = []
        self.title = ""
        self._inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        table = {name: value or "" for name, value in attrs}
        self._inside = tag
        if tag == "meta" and ("property" in table or "name" in table):
            name = table.get("property") or table["name"]
            assert name not in self.meta or name == "theme-color", f"{name} is there twice"
            self.meta[name] = table["content"]
        elif tag == "link":
            self.links.append(table)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.data.append(json.loads(data))
        elif self._inside == "title" and not self.title:
            self.title = data

    def linked(self, relation: str) -> list[str]:
        return [link["href"] for link in self.links if link["rel"] == relation]


def heads(site: Newsletter) -> list[tuple[str, Head]]:
    return [
        ("/" + str(path.relative_to(site.out)).removesuffix("index.html"), Head(path.read_text("utf-8")))
        for path in sorted(site.out.rglob("*.html"))
    ]


def published(site: Newsletter, address: str) -> bool:
    """Whether an absolute address is a file of the site."""
    parts = urlsplit(address)
    assert parts.scheme == "https", address
    path = parts.path.lstrip("/")
    return (site.out / path / ("index.html" if not path or path.endswith("/") else "")).is_file()


def test_every_page_says_what_it_is(samples: Newsletter) -> None:
    seen: set[str] = set()
    for address, head in heads(samples):
        assert head.title, address
        assert head.title not in seen, address
        seen.add(head.title)
        if address == "/404.html":
            assert head.meta["robots"] == "noindex"
            assert head.linked("canonical") == []
            continue
        assert head.meta.get("robots") is None, address
        assert head.linked("canonical") == [BASE + address]
        assert head.meta["og:url"] == BASE + address
        assert 1 <= len(head.meta["description"]) <= 200, address
        for name in ("og:title", "og:description", "og:type", "og:site_name", "og:image", "og:image:alt"):
            assert head.meta[name], (address, name)
        assert head.meta["twitter:card"] == "summary_large_image"
        assert published(samples, head.meta["og:image"]), address
        alternates = {link["type"]: link["href"] for link in head.links if link["rel"] == "alternate"}
        assert set(alternates) == {
            "text/markdown",
            "application/atom+xml",
            "application/rss+xml",
            "application/feed+json",
        }
        for link in (*alternates.values(), *head.linked("describedby"), *head.linked("stylesheet")):
            assert published(samples, BASE + link), (address, link)


def test_structured_data_has_what_its_types_ask_for(samples: Newsletter) -> None:
    kinds: dict[str, int] = {}
    for address, head in heads(samples):
        for data in head.data:
            assert data["@context"] == "https://schema.org"
            kind = data["@type"]
            kinds[kind] = kinds.get(kind, 0) + 1
            if kind == "Article":
                assert data["url"] == BASE + address
                assert 1 <= len(data["headline"]) <= 110, address
                guide = address.startswith("/guides/")
                assert ("datePublished" in data) != guide
                modified_on = dt.date.fromisoformat(data["dateModified"])
                assert dt.date.fromisoformat(data.get("datePublished", "2000-01-01")) <= modified_on
                assert data["author"]["name"]
                assert data["author"]["@type"] in {"Person", "Organization"}
                assert data["publisher"]["name"]
                assert data["image"] == head.meta["og:image"]
                assert head.meta.get("article:published_time") == data.get("datePublished")
                assert not guide or head.meta["article:modified_time"] == data["dateModified"]
            elif kind == "BreadcrumbList":
                steps = data["itemListElement"]
                assert [step["position"] for step in steps] == list(range(1, len(steps) + 1))
                assert all(step["name"] and published(samples, step["item"]) for step in steps), address
                assert steps[-1]["item"] == BASE + address
            elif kind == "FAQPage":
                assert data["mainEntity"]
                for question in data["mainEntity"]:
                    assert question["@type"] == "Question"
                    assert question["name"].endswith("?")
                    assert question["acceptedAnswer"]["@type"] == "Answer"
                    assert len(question["acceptedAnswer"]["text"]) > 20
            else:
                assert (kind, address) == ("WebSite", "/")
                assert data["name"]
                assert data["url"] == f"{BASE}/"
    assert kinds["Article"] == 7
    assert kinds["FAQPage"] == 4
    assert kinds["BreadcrumbList"] > 10
    assert kinds["WebSite"] == 1


def test_json_feed_keeps_to_its_specification(samples: Newsletter) -> None:
    Draft202012Validator.check_schema(JSON_FEED)
    validator = Draft202012Validator(JSON_FEED)
    feed = json.loads((samples.out / "feed.json").read_bytes())
    assert [error.message for error in validator.iter_errors(feed)] == []
    assert published(samples, feed["feed_url"])
    assert all(published(samples, item["url"]) for item in feed["items"])
    assert len({item["id"] for item in feed["items"]}) == len(feed["items"]) == 3
    # What is wrong is found.
    wrong: tuple[dict[str, Any], ...] = (
        {"version": "1.1"},
        {"author": {}},
        {"items": [{**feed["items"][0], "date_published": "2026-01-06"}]},
        {"items": [{**feed["items"][0], "url": "/rag/"}]},
    )
    for planted in wrong:
        assert list(validator.iter_errors({**feed, **planted})), planted


def test_the_sitemap_keeps_to_its_protocol(samples: Newsletter) -> None:
    raw = (samples.out / "sitemap.xml").read_bytes()
    assert raw.startswith(b'<?xml version="1.0" encoding="utf-8"?>')
    assert len(raw) < 50_000_000
    root = ET.fromstring(raw)
    assert root.tag == f"{SITEMAP}urlset"
    assert not root.attrib
    assert 1 <= len(root) <= 50_000
    places = []
    for url in root:
        assert url.tag == f"{SITEMAP}url"
        names = [child.tag.removeprefix(SITEMAP) for child in url]
        assert names in (["loc"], ["loc", "lastmod"])
        place = url.findtext(f"{SITEMAP}loc") or ""
        assert place.startswith(f"{BASE}/")
        assert 12 <= len(place) <= 2_048
        assert published(samples, place)
        places.append(place)
        changed = url.findtext(f"{SITEMAP}lastmod")
        if changed is not None:
            assert re.fullmatch(r"\d{4}-\d\d-\d\d", changed)
            dt.date.fromisoformat(changed)
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("name", ["atom.xml", "feed.xml"])
def test_feeds_hold_no_character_that_ends_their_elements(samples: Newsletter, name: str) -> None:
    raw = (samples.out / name).read_text("utf-8")
    root = ET.fromstring(raw)
    words = [element.text or "" for element in root.iter()]
    # HTML is carried as escaped text (RSS 2.0's content module; RFC 4287, section 3.1.1.2), never as elements.
    assert sum("<p>" in one for one in words) == 3
    assert "<p>" not in raw
    assert {element.tag for element in root.iter() if not element.tag.startswith("{")} <= {
        *("rss", "channel", "item", "title", "link", "description", "language", "lastBuildDate"),
        *("guid", "pubDate", "category"),
    }


def nu_checker() -> Path | None:
    """vnu.jar: named by VNU_JAR, or of npm's vnu-jar beside the project or among npm's global packages."""
    named = os.environ.get("VNU_JAR")
    if named:
        return Path(named)
    places = [folder / "node_modules" for folder in (ROOT, *ROOT.parents)]
    npm = shutil.which("npm")
    if npm:
        done = subprocess.run(
            [npm, "root", "--global"], capture_output=True, text=True, timeout=60, check=False
        )
        places.append(Path(done.stdout.strip()))
    found = (place / "vnu-jar" / "build" / "dist" / "vnu.jar" for place in places)
    return next(filter(Path.is_file, found), None)


@pytest.mark.slow
def test_the_nu_checker_finds_nothing(samples: Newsletter) -> None:
    # Some 40 MB that no package of Python's or Debian's holds: whoever has it runs it.
    jar = nu_checker()
    if jar is None:
        pytest.skip("vnu.jar is missing: npm install vnu-jar, or name it in VNU_JAR")
    java = shutil.which("java")
    if java is None:
        missing("java")
    done = subprocess.run(
        [java, "-jar", str(jar), "--skip-non-html", str(samples.out)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
