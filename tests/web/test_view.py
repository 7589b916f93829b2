"""Sent issues in the browser: what was frozen, with nobody's data, and nothing that wasn't sent."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.web.conftest import ROOT, SECRET, Running, make_home

ISSUE = """\
---
number: 1
title: First light
date: 2026-01-06
description: What the inbox shows.
status: ready
---
Hello {{ subscriber.name | default("there") }}.

## Concept: A first idea
Words.

**Takeaway:** One sentence to keep.

## Architecture: A shape
![Boxes and arrows](shape.png "A shape")

- **Trade-off:** It costs something.

## Project idea: Something to build
- **Difficulty:** easy
- **Time:** 4h
- **Stack:** Python

Build it.

## Interview question: What did you learn?
- **Level:** mid

### Answer
This.
"""


def newsletter(home: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "newsletter", *arguments],
        cwd=home,
        env={"PATH": "/usr/bin:/bin", "NEWSLETTER_SECRET_KEY": SECRET, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_sent_issue_is_shown_without_anybodys_data(start: Callable[..., Running], tmp_path: Path) -> None:
    home = make_home(tmp_path / "notes")
    (home / "issues" / "001-first-light.md").write_text(ISSUE, "utf-8")
    picture = next((ROOT / "issues").rglob("*.png"))
    shutil.copy(picture, home / "issues" / "shape.png")
    site = start(home)
    site.add("grace@example.com", "Grace Hopper")
    assert site.client.get("/view/first-light").status_code == 404, "it wasn't sent yet"
    assert "First light" not in site.client.get("/").text

    sent = json.loads(newsletter(home, "send", "1", "--yes", "--expect-count", "1", "--json"))
    assert sent["accepted"] == 1
    page = site.client.get("/view/first-light")
    assert page.status_code == 200
    assert "First light" in page.text
    assert "Hello there." in page.text
    assert "grace" not in page.text.lower()
    assert "https://notes.example/u/" not in page.text
    assert 'href="https://notes.example/u"' in page.text
    assert "cid:" not in page.text
    policy = page.headers["content-security-policy"]
    assert "script-src" not in policy
    assert "default-src 'none'" in policy

    home_page = site.client.get("/")
    assert home_page.status_code == 200
    assert '<a href="/view/first-light" lang="en">First light</a>' in home_page.text
    assert 'href="/join"' in home_page.text

    source = page.text.partition('src="/view/')[2].partition('"')[0]
    shown = site.client.get(f"/view/{source}")
    assert shown.status_code == 200
    assert shown.headers["content-type"].startswith("image/")
    assert shown.content == picture.read_bytes()
    number = source.partition("/")[0]
    assert site.client.get(f"/view/{number}").text == page.text
    assert site.client.get("/first-light/").text == page.text, "the address in the mail"
    for nothing in (
        "/view/first-light/nothing.png",
        "/view/2",
        "/view/0",
        f"/view/{10**30}",
        "/view/²",
        "/x/",
    ):
        assert site.client.get(nothing).status_code == 404, nothing
