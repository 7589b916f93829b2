"""What surrounds a slot in finished HTML? Walks the tags as a browser does (WHATWG HTML §13.2.5) and names the place.

Values are escaped for one of four places. Everywhere else (tag and attribute names, unquoted values, scripts,
styles, comments and so Outlook's conditionals, the scheme, host or path of an address) no escaping is
safe, or the same text means something else to each client: those are refused.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from newsletter.model.template import Context
from newsletter.render.slots import TOKEN

# Fields that hold a whole address of our own making.
ADDRESS_FIELDS = frozenset({"unsubscribe_url", "preferences_url"})

_ADDRESS_ATTRIBUTES = frozenset(
    [
        "href",
        "src",
        "action",
        "formaction",
        "background",
        "poster",
        "cite",
        "data",
        "longdesc",
        "manifest",
        "ping",
        "codebase",
        "usemap",
    ]
)
# Their text is not character data, so references in it aren't decoded.
_RAW_ELEMENTS = frozenset(
    [
        "style",
        "script",
        "xmp",
        "iframe",
        "noembed",
        "noframes",
        "plaintext",
        "noscript",
        "template",
        "svg",
        "math",
    ]
)
_RCDATA_ELEMENTS = frozenset({"title", "textarea"})

_OPEN = "\ue000"
_MARKUP = re.compile(f"<(?:!--|[!?]|/(?=[^>])|(?=[A-Za-z{_OPEN}]))")
_COMMENT_END = re.compile(r"--!?>|\Z")
_TAG_NAME = re.compile(r"[^\t\n\f\r />]*")
_ATTRIBUTE = re.compile(
    r"""[\t\n\f\r /]*
    (?: (?P<close>>)
      | (?P<name>=?[^\t\n\f\r />=]+)
        (?: [\t\n\f\r ]*=[\t\n\f\r ]*
            (?: "(?P<double>[^"]*)" | '(?P<single>[^']*)' | (?P<bare>[^\t\n\f\r "'>][^\t\n\f\r >]*) )?
        )?
    )""",
    re.VERBOSE,
)
# The tags serialisers write, when no slot is in them: bare or double-quoted attributes.
_SIMPLE_TAG = re.compile(rf"""([A-Za-z][A-Za-z0-9]*)(?:[ \n]+[A-Za-z:-]+(?:="[^"{_OPEN}]*")?)*[ \n]*/?>""")
# An address whose host is the author's own, up to and with the `?` or `#` that opens its last part.
_BEFORE_COMPONENT = re.compile(
    rf"(?:https?://[^/?#\s{_OPEN}]+|mailto:[^?#\s{_OPEN}]*)[^\s{_OPEN}]*?[?#]", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a slot can't stand where it does.

    Attributes:
        code: the diagnostic's code.
        place: where it stands, to follow "stands in".
    """

    code: str
    place: str


@dataclass(frozen=True, slots=True)
class _Region:
    """A stretch of the HTML in which every slot stands in the same kind of place."""

    start: int
    end: int
    kind: str  # text, markup, attribute
    tag: str = ""
    attribute: str = ""
    refreshes: bool = False  # in a `<meta http-equiv>`


def slot_places(text: str, fields: list[str]) -> list[Context | Refusal]:
    """For each token of `text`, in order, the context its value is escaped for, or why it is refused.

    Args:
        text: the final HTML, with tokens.
        fields: the field of each token, in the same order.
    """
    tokens = list(TOKEN.finditer(text))
    found: list[Context | Refusal] = []
    if not tokens:
        return found
    for region in _regions(text):
        while len(found) < len(tokens) and tokens[len(found)].start() < region.end:
            found.append(_judge(text, region, tokens[len(found)], fields[len(found)]))
        if len(found) == len(tokens):
            break
    return found


def _judge(text: str, region: _Region, token: re.Match[str], field: str) -> Context | Refusal:
    if region.kind == "text":
        return Context.HTML
    if region.kind == "markup":
        return Refusal("NL451", region.attribute)
    name = region.attribute
    where = f"`<{region.tag} {name}>`"
    local = name.rpartition(":")[2]
    if local.startswith("on") or local in {"style", "srcset", "srcdoc"} or region.refreshes:
        return Refusal("NL452", f"{where}, whose value is code and not text")
    if local not in _ADDRESS_ATTRIBUTES:
        return Context.ATTRIBUTE
    if token.start() == region.start and token.end() == region.end:
        if field in ADDRESS_FIELDS:
            return Context.URL
        return Refusal("NL450", f"{where} as the whole address")
    # Earlier slots of the same address that are in its query don't hide where that began.
    before = html.unescape(text[region.start : token.start()])
    if _BEFORE_COMPONENT.match(before):
        return Context.URL_COMPONENT
    return Refusal("NL450", f"the scheme, host or path of the address in {where}")


def _regions(text: str) -> Iterator[_Region]:
    """The whole of `text` as regions, in order; only tags without a slot are passed over."""
    at, size = 0, len(text)
    while at < size:
        match = _MARKUP.search(text, at)
        if match is None:
            break
        yield _Region(at, match.start(), "text")
        opening, start, at = match[0], match.start(), match.end()
        if opening == "<!--":
            # `<!-->` and `<!--->` are whole comments.
            short = re.compile(r"-?>").match(text, at)
            end = short or _COMMENT_END.search(text, at)
            assert end is not None  # the pattern also matches at the end of the text
            at = end.end()
            yield _Region(start, at, "markup", attribute="a comment, which Outlook may read as a conditional")
        elif opening in {"<!", "<?"} or (opening == "</" and not _starts_tag(text, at)):
            at = text.find(">", at) + 1 or size
            yield _Region(start, at, "markup", attribute="a declaration")
        else:
            simple = _SIMPLE_TAG.match(text, at)
            if simple:
                at, tag = simple.end(), simple[1].lower()
            else:
                regions, tag = _tag(text, start, at)
                yield from regions
                at = regions[-1].end
            if opening == "<" and (tag in _RAW_ELEMENTS or tag in _RCDATA_ELEMENTS):
                closing = re.compile(rf"</{tag}(?=[\t\n\f\r />]|\Z)", re.IGNORECASE).search(text, at)
                end_at = closing.start() if closing and tag != "plaintext" else size
                if tag in _RCDATA_ELEMENTS:
                    yield _Region(at, end_at, "text")
                else:
                    yield _Region(at, end_at, "markup", attribute=f"`<{tag}>`, whose text is no plain text")
                at = end_at
    yield _Region(at, size, "text")


def _starts_tag(text: str, at: int) -> bool:
    letter = text[at : at + 1]
    return letter == _OPEN or (letter.isascii() and letter.isalpha())


def _tag(text: str, start: int, at: int) -> tuple[list[_Region], str]:
    """The regions of the tag that starts at `start` and whose name starts at `at`, and its name."""
    named = _TAG_NAME.match(text, at)
    assert named is not None  # it may be empty
    tag = named[0].lower()
    at, size = named.end(), len(text)
    regions = [_Region(start, at, "markup", attribute="the name of a tag")]
    closed = False
    while at < size and not closed:
        match = _ATTRIBUTE.match(text, at)
        if match is None:
            # An open quote without its end: a browser drops all that follows.
            regions.append(_Region(at, size, "markup", attribute="a tag that never ends"))
            break
        name = (match["name"] or "").lower()
        for group in ("double", "single"):
            if match[group] is not None:
                regions += [
                    _Region(at, match.start(group), "markup", attribute="the name of an attribute"),
                    _Region(*match.span(group), "attribute", tag, name),
                ]
                at = match.end(group)
        bare = f"the unquoted value of `{name}`" if match["bare"] is not None else "the name of an attribute"
        regions.append(_Region(at, match.end(), "markup", attribute=bare))
        at = match.end()
        closed = match["close"] is not None
    if tag == "meta" and any(region.attribute == "http-equiv" for region in regions):
        regions = [replace(region, refreshes=True) for region in regions]
    return regions, tag
