"""What is counted is what the author switched on, and nobody without a value sees any of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.model.template import CompiledIssue, Context, Slot, Template
from newsletter.render.compile import from_json, to_json
from newsletter.render.escape import fill
from newsletter.render.tracked import TrackingWishes, links_of, track

BASE = "https://notes.example"
LEAVE = Slot("unsubscribe_url", "", Context.URL)
HTML = Template(
    (
        (
            '<html><head><link href="https://x.example/a.css"></head><body class="a>b">'
            '<a class="b" href="https://one.example/?a=1&amp;b=2">One</a> <a href="mailto:a@b.example">Mail</a>'
            '<a href="#concept">Down</a><a href="https://one.example/?a=1&amp;b=2">Again</a>'
            '<A HREF="http://two.example/">Two</A><img src="https://three.example/p.png"><a href="'
        ),
        LEAVE,
        '">Leave</a><a href="https://four.example/?x=',
        Slot("subscriber.name", "you", Context.URL_COMPONENT),
        '">Four</a></body></html>\n',
    )
)
ISSUE = CompiledIssue(Template(("Hi",)), HTML, Template(("https://one.example/",)), (), "")
BOTH = TrackingWishes(opens=True, clicks=True)


def shown(issue: CompiledIssue, values: Mapping[str, str] | None = None) -> str:
    return "".join(
        part if isinstance(part, str) else fill(part, (values or {}).get(part.field))
        for part in issue.html.parts
    )


def test_nothing_changes_unless_it_is_switched_on() -> None:
    assert track(ISSUE, TrackingWishes(), BASE) is ISSUE
    assert track(ISSUE, BOTH, "") is ISSUE, "there is nobody to count"


def test_links_of_the_html_part_are_counted_and_others_stay() -> None:
    made = track(ISSUE, TrackingWishes(clicks=True), BASE)
    assert links_of(made) == {0: BASE, 1: "https://one.example/?a=1&b=2", 2: "http://two.example/"}
    assert made.text == ISSUE.text
    html = shown(made, {f"tracking.link.{n}": f"{BASE}/c/T.{n}" for n in range(3)})
    assert html.count(f'href="{BASE}/c/T.1"') == 2
    assert f'<A HREF="{BASE}/c/T.2"' in html
    for kept in ("mailto:a@b.example", "#concept", "https://x.example/a.css", "https://four.example/?x=you"):
        assert kept in html
    assert "/o/" not in html


def test_who_has_no_values_gets_the_links_the_author_wrote() -> None:
    made = shown(track(ISSUE, TrackingWishes(clicks=True), BASE))
    assert made.replace(f'<a href="{BASE}" tabindex="-1" aria-hidden="true"></a>', "") == shown(ISSUE)


def test_the_picture_is_the_last_thing_in_the_body() -> None:
    made = track(ISSUE, TrackingWishes(opens=True), BASE)
    html = shown(made, {"tracking.open": f"{BASE}/o/T.gif"})
    assert f'<img src="{BASE}/o/T.gif" width="1" height="1" alt="" style="border:0"></body></html>' in html
    assert links_of(made) == {}
    assert f"{BASE}/o/-.gif" in shown(made)


def test_a_link_is_left_alone_where_the_author_says_so() -> None:
    wishes = TrackingWishes(clicks=True, leave_alone=("https://one.example/", "http://other.example"))
    assert links_of(track(ISSUE, wishes, BASE)) == {0: BASE, 1: "http://two.example/"}


def test_a_send_keeps_where_its_links_lead() -> None:
    made = track(ISSUE, BOTH, BASE)
    assert links_of(from_json(to_json(made))) == links_of(made)


@pytest.mark.parametrize("parts", [(), ("",), ("no body",), (LEAVE,), ("<BODY></BODY ><p></body>",)])
def test_any_html_can_be_counted(parts: tuple[str | Slot, ...]) -> None:
    made = track(replace(ISSUE, html=Template(parts)), BOTH, BASE)
    assert shown(made).count("<img") == shown(made).count("aria-hidden") == 1


@given(st.text(st.sampled_from('<a href="https://x>b/ \n&'), max_size=60))
def test_all_that_is_changed_is_addresses(literal: str) -> None:
    made = track(replace(ISSUE, html=Template((literal,))), TrackingWishes(clicks=True), BASE)
    inner = [part for part in made.html.parts if not (isinstance(part, Slot) and part.field.endswith(".0"))]
    text = "".join(part if isinstance(part, str) else "" for part in inner)
    canary = '<a href="" tabindex="-1" aria-hidden="true"></a>'
    assert text.count(canary) >= 1
    assert len(text.replace(canary, "")) <= len(literal)
