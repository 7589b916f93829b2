"""What does `issues/welcome.md` say? A title and a body, mailed to who has just joined."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from newsletter.content.document import Document
from newsletter.content.suggest import did_you_mean
from newsletter.errors import UsageError

_KEYS = ("title", "description")
_LONGEST_TITLE = 200


@dataclass(frozen=True, slots=True)
class Welcome:
    """The welcome.

    Attributes:
        path: its file.
        title: the subject.
        description: what an inbox shows after it; may be empty.
        body: Markdown.
    """

    path: Path
    title: str
    description: str
    body: str


def read_welcome(path: Path) -> Welcome | None:
    """The welcome in `path`; None where there is no such file.

    Raises:
        UsageError: it can't be read, has no title, an unknown key, or nothing to say.
    """
    try:
        raw = path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read: {error}", hint="it has to be a file in UTF-8") from None
    document = Document(raw, str(path))
    if document.front is None or not document.front_closed:
        raise UsageError(
            f"{path}:1: the welcome doesn't begin with front matter",
            hint="begin it with `---`, `title: …`, `---`",
        )
    start, end = document.front
    try:
        # Every scalar stays a text: `title: No` is a title.
        table = yaml.load(document.text[start:end], Loader=yaml.BaseLoader)  # noqa: S506 - makes texts, lists and maps only
    except (yaml.YAMLError, UnicodeEncodeError, RecursionError) as error:
        raise UsageError(f"{path}: the front matter is not valid YAML: {error}") from None
    if not isinstance(table, dict):
        raise UsageError(f"{path}:2: the front matter has no keys", hint="write `title: …` there")
    for key in table:
        if key not in _KEYS:
            raise UsageError(
                f"{path}: unknown front matter key `{key}`",
                hint=did_you_mean(str(key), _KEYS) or "it is title",
            )
    values = {key: table.get(key, "") for key in _KEYS}
    if not all(isinstance(value, str) for value in values.values()):
        raise UsageError(f"{path}: the values of the front matter are texts", hint="write `title: …` there")
    title = " ".join(values["title"].split())
    if not title or len(title) > _LONGEST_TITLE:
        raise UsageError(
            f"{path}: the title is {'missing' if not title else 'too long'}",
            hint=f"it is the subject: 1 to {_LONGEST_TITLE} characters",
        )
    body = document.text[document.body_start :].strip()
    if not body:
        raise UsageError(f"{path}: the welcome says nothing", hint="write something below the front matter")
    return Welcome(path, title, " ".join(values["description"].split()), body)
