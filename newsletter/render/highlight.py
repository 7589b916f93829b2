"""How does code look? Inline colours for one dark ground that serves light and dark schemes alike.

Mail clients strip or rewrite style sheets, so each colour stands in its own `style`; a ground that
stays dark in both schemes keeps them readable where a client flips only light surfaces.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from markupsafe import escape
from pygments.token import (
    Comment,
    Error,
    Generic,
    Keyword,
    Literal,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Token,
)

GROUND = "#1b2027"
TEXT = "#e3e8ee"
LABEL = "#9fabb8"  # the language's name above the code

# The nearest ancestor of a token decides. Every colour has a contrast of at least 6 on GROUND.
_COLOURS: dict[Any, str] = {
    Token: TEXT,
    Comment: "#98a4b3",
    Comment.Preproc: "#f2a97e",
    Keyword: "#f59a9a",
    Keyword.Constant: "#8cc4ff",
    Keyword.Type: "#f5c084",
    Name.Builtin: "#8cc4ff",
    Name.Builtin.Pseudo: "#8cc4ff",
    Name.Class: "#f5c084",
    Name.Constant: "#8cc4ff",
    Name.Decorator: "#d3b5ff",
    Name.Exception: "#f5c084",
    Name.Function: "#d3b5ff",
    Name.Attribute: "#8cc4ff",
    Name.Tag: "#8fdc9a",
    Name.Variable: "#f5c084",
    Number: "#8cc4ff",
    Literal: "#a6d6ff",
    String: "#9fdcb0",
    String.Doc: "#98a4b3",
    String.Escape: "#f2a97e",
    String.Interpol: "#f2a97e",
    Operator: "#f59a9a",
    Operator.Word: "#f59a9a",
    Punctuation: TEXT,
    Generic.Deleted: "#f59a9a",
    Generic.Inserted: "#9fdcb0",
    Generic.Heading: "#8cc4ff",
    Generic.Subheading: "#8cc4ff",
    Generic.Prompt: "#98a4b3",
    Generic.Output: "#c3ccd6",
    Generic.Error: "#f59a9a",
    Error: TEXT,
}


@lru_cache(maxsize=4096)
def _colour(token: Any) -> str:
    while token not in _COLOURS:
        token = token.parent
    return _COLOURS[token]


@lru_cache(maxsize=64)
def _lexer(language: str) -> Any | None:
    if not language:
        return None
    # Imported for code that is coloured: most runs have none that is new.
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


# Where Pygments' own name is not what an author would call the language.
_NAMES = {"Text only": "Text", "Transact-SQL": "SQL", "Bash Session": "Console"}


def language_name(language: str) -> str:
    """What to call the language of a fence: Pygments' name, or the author's word where it has none."""
    lexer = _lexer(language.lower())
    if lexer is None:
        return language
    return _NAMES.get(lexer.name, str(lexer.name))


def runs(code: str, language: str) -> list[tuple[str, str]]:
    """`code` as (colour, text) in order, each as long as it can be; all of one colour where the language isn't known."""
    lexer = _lexer(language.lower())
    if lexer is None:
        return [(TEXT, code)]
    found: list[tuple[str, str]] = []
    for token, value in lexer.get_tokens(code):
        # White space takes the colour before it: it shows none, and saves a span.
        colour = found[-1][0] if found and value.isspace() else _colour(token)
        if found and found[-1][0] == colour:
            found[-1] = (colour, found[-1][1] + value)
        else:
            found.append((colour, value))
    return found


@lru_cache(maxsize=512)
def highlight(code: str, language: str) -> str:
    """`code` as escaped HTML, each run of one colour in one `<span>`; plain where the language isn't known."""
    return "".join(
        str(escape(value)) if colour == TEXT else f'<span style="color:{colour}">{escape(value)}</span>'
        for colour, value in runs(code, language)
    )


# A style sheet's names for the colours: one letter and a number, the same from run to run.
CLASSES = {colour: f"k{at}" for at, colour in enumerate(dict.fromkeys(_COLOURS.values())) if colour != TEXT}


def highlight_with_classes(code: str, language: str) -> str:
    """As `highlight`, for a page with a style sheet: the colours are the classes of `CLASSES`."""
    return "".join(
        str(escape(value)) if colour == TEXT else f'<span class="{CLASSES[colour]}">{escape(value)}</span>'
        for colour, value in runs(code, language)
    )
