"""Where do styles go, so that mail clients keep them? On each element; only what can't live there stays in `<style>`."""

from __future__ import annotations

from functools import lru_cache

import css_inline


@lru_cache(maxsize=8)
def _inliner(css: str) -> css_inline.CSSInliner:
    return css_inline.CSSInliner(
        extra_css=css,
        keep_style_tags=True,
        # Media queries and `[data-ogsc]` match no element here and so stay in their tags.
        remove_inlined_selectors=True,
        load_remote_stylesheets=False,
    )


def inlined(html: str, css: str) -> str:
    """`html` with the rules of `css`, and of its own `<style>` tags, on the elements they match."""
    return str(_inliner(css).inline(html))
