"""What the frame shows differs from the message in one named thing, and in nothing else."""

from __future__ import annotations

import pytest

from newsletter.preview.variants import Scheme, Variant, as_seen, split_body, with_addresses

HTML = (
    '<!doctype html><html><head><meta name="color-scheme" content="light dark">'
    "<style>:root{color-scheme:light dark}@media screen and (prefers-color-scheme: dark){p{color:#fff}}</style>"
    '</head><body class="a>b"><p>(prefers-color-scheme: dark) and cid:x</p>'
    '<img src="cid:x" width="10" alt="A > B"></body></html>'
)


def test_dark_makes_the_media_feature_true_and_light_makes_it_false() -> None:
    assert "@media screen and (min-width:0)" in as_seen(HTML, Variant(Scheme.DARK))
    assert "@media screen and (max-width:0)" in as_seen(HTML, Variant(Scheme.LIGHT))


def test_the_words_of_the_author_are_never_rewritten() -> None:
    for scheme in Scheme:
        assert "<p>(prefers-color-scheme: dark) and cid:x</p>" in as_seen(HTML, Variant(scheme))
    assert "and cid:x</p>" in with_addresses(HTML, {"cid:x": "../images/x.png"})


@pytest.mark.parametrize(("scheme", "word"), [(Scheme.LIGHT, "light"), (Scheme.DARK, "dark")])
def test_declared_schemes_are_narrowed_to_the_one_shown(scheme: Scheme, word: str) -> None:
    seen = as_seen(HTML, Variant(scheme))
    assert f'content="{word}"' in seen
    assert f":root{{color-scheme:{word}}}" in seen


def test_inversion_ignores_the_dark_styles_and_turns_pictures_back() -> None:
    seen = as_seen(HTML, Variant(Scheme.INVERTED))
    assert "(max-width:0)" in seen
    assert "img{filter:invert(1)" in seen


def test_blocked_images_keep_their_alternative_text_and_lose_their_source() -> None:
    seen = as_seen(HTML, Variant(images=False))
    assert 'alt="A > B"' in seen
    assert 'src="cid:x"' not in seen


def test_addresses_are_replaced_in_attributes() -> None:
    assert 'src="../images/x.png"' in with_addresses(HTML, {"cid:x": "../images/x.png"})


def test_a_page_is_split_around_its_body_and_put_together_again() -> None:
    parts = split_body(HTML)
    assert parts.body.startswith("<p>")
    assert parts.before.endswith('<body class="a>b">')
    assert parts.whole == HTML
    assert split_body("<p>no body</p>").whole == "<p>no body</p>"
