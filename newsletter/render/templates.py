"""Which template is it, and where is its mistake? Jinja with a user's folder before ours, file by file.

A mistake in a template is its author's: it becomes a `NewsletterError` that names the file and
the line, never a traceback.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jinja2 import (
    BytecodeCache,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    select_autoescape,
)

from newsletter.errors import NewsletterError


class Templates:
    """The templates of one newsletter.

    Args:
        folders: searched in order; a file found first hides those of the same name.
        filters: named functions the templates may call with `|`.
        compiled: keeps templates between runs in the form in which they are run.
    """

    def __init__(
        self, folders: Sequence[Path], filters: Mapping[str, Any], compiled: BytecodeCache | None = None
    ) -> None:
        self._folders = [folder.resolve() for folder in folders]
        self._environment = Environment(
            loader=FileSystemLoader([str(folder) for folder in self._folders]),
            autoescape=select_autoescape(["html.j2"], default=False),
            bytecode_cache=compiled,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
            auto_reload=False,  # `refresh` does it, and sees new files too
        )
        self._environment.filters.update(filters)
        self._watched = [str(path) for folder in self._folders for path in (folder, folder / "email")]
        self._seen: dict[str, int] = {}

    def refresh(self) -> bool:
        """Forget the templates if a file changed, came or went since the last call; whether that was so."""
        # A folder's own time tells of files that came or went.
        loaded = [file for template in self._loaded() if (file := template.filename)]
        seen = {path: _changed(path) for path in [*self._watched, *loaded]}
        known, self._seen = self._seen, seen
        if all(known.get(path, time) == time for path, time in seen.items()):
            return False
        if self._environment.cache is not None:
            self._environment.cache.clear()
        return True

    def _loaded(self) -> list[Template]:
        return list(self._environment.cache.values()) if self._environment.cache is not None else []

    def render(self, values: Mapping[str, Any], *names: str) -> str:
        """The first template of `names` that exists, filled with `values`.

        Raises:
            NewsletterError: none exists, it isn't valid, or it asks for something there isn't.
        """
        with self._explained(names[-1]):
            return self._environment.select_template(names).render(values)

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        try:
            yield
        except TemplateSyntaxError as error:
            where = f"{error.filename or error.name or name}:{error.lineno}"
            raise NewsletterError(
                f"{where}: not a valid template: {error.message}", hint="mend it, or delete it to use ours"
            ) from None
        except TemplateNotFound as error:
            folders = ", ".join(map(str, self._folders))
            raise NewsletterError(
                f"there is no template `{error.name or name}`", hint=f"looked in {folders}"
            ) from None
        except NewsletterError:
            raise
        except UnicodeDecodeError as error:
            raise NewsletterError(
                f"{self._in_another_encoding() or name} isn't UTF-8: {error.reason}", hint="save it as UTF-8"
            ) from None
        except Exception as error:
            line = self._line_of(error)
            if line is None and not isinstance(error, TemplateError):
                raise  # not from a template: a defect of ours, to be seen as one
            said = str(error) or type(error).__name__  # a MemoryError says nothing
            raise NewsletterError(f"{line or name}: {said}", hint="mend the template there") from None

    def _in_another_encoding(self) -> Path | None:
        """The first template whose bytes are no UTF-8: the one asked for may include or extend it."""
        for path in (path for folder in self._folders for path in sorted(folder.rglob("*.j2"))):
            try:
                path.read_text("utf-8")
            except UnicodeDecodeError:
                return path
        return None

    def _line_of(self, error: Exception) -> str | None:
        """`file:line` of the innermost template line that `error` went through."""
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if any(Path(frame.filename).is_relative_to(folder) for folder in self._folders):
                return f"{frame.filename}:{frame.lineno}"
        return None


def _changed(path: str) -> int:
    """When `path` was changed last, in nanoseconds; 0 where it isn't there."""
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116 - asked 20 times a rendering, and a Path costs more than the call
    except OSError:
        return 0
