"""What would one subscriber get of this file as it is now? The very bytes, made by the parts that send.

The panels are read back from the finished MIME message, so that nothing can be shown that would not leave.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from newsletter.app import Workspace
from newsletter.audience.tokens import TokenSigner
from newsletter.checks.across import Claims, check_across, claims_of, read_claims
from newsletter.checks.output.kept import CACHE, KeptFindings
from newsletter.checks.output.rendered import check_rendered, complete, mail_of
from newsletter.checks.output.repeats import without_repeats
from newsletter.checks.run import check_file, settled
from newsletter.content.guide_files import guide_files
from newsletter.content.issue import ParseResult, parse_issue_source, read_issue
from newsletter.content.slots import to_nobody
from newsletter.content.source import by_place, read_text
from newsletter.diagnostics import Diagnostic, Severity
from newsletter.errors import NewsletterError, UsageError
from newsletter.model.issue import FrontMatter
from newsletter.model.template import InlineImage
from newsletter.preview.files import shown_name, text_of
from newsletter.preview.message import read_message
from newsletter.preview.picture import Broken, Picture, Summary
from newsletter.preview.process import TooLongError, given_up, unforeseen
from newsletter.preview.reader import Reader, outgoing_of, presentable, reader_named, rendering_of, signer_for
from newsletter.preview.support import Support, support_of
from newsletter.render.compile import compile_rendered
from newsletter.render.email import RenderedIssue
from newsletter.render.slots import TOKEN, SlotTable
from newsletter.render.tracked import track
from newsletter.send.frozen import Frozen, freeze
from newsletter.send.plan import prepare
from newsletter.send.recipients import Recipients
from newsletter.send.run import sample_mime

# How `Templates` names the place of a mistake.
_TEMPLATE_MISTAKE = "NL760"
_TEMPLATE_LINE = re.compile(r"(/.+\.j2):(\d+): (.+)", re.DOTALL)


class Builder:
    """Builds issues under one set of settings; keeps the renderer's cache between builds.

    Attributes:
        workspace: the newsletter.
        reader: whose copy is shown unless another is asked for.
        outgoing: how messages leave.

    Args:
        workspace: the newsletter.
        reader_name: who reads, as `reader_named` knows them; empty for a sample reader.

    Raises:
        NewsletterError: there is no such subscriber, or the store can't be read.
    """

    def __init__(self, workspace: Workspace, reader_name: str = "") -> None:
        self.workspace = workspace
        self._settings = workspace.settings
        self._publication = presentable(workspace.settings.publication)
        self.outgoing = outgoing_of(workspace)
        self._renderer = workspace.renderer(images="attach" if self.outgoing.attach else "link")
        self.reader = reader_named(workspace, reader_name)
        self._signer = signer_for(workspace, self.reader)
        self._rendering = rendering_of(workspace, self.outgoing, lambda: self._renderer, self.name_of)
        # Why files couldn't be rendered when they were last built, and what each claims, for findings that other
        # files have a part in.
        self._unrendered: dict[Path, tuple[Diagnostic, ...]] = {}
        self._claims: dict[Path, Claims] = {}
        self._of_messages: dict[Path, Sequence[Diagnostic]] = {}
        # As `newsletter check` keeps them: a thousand issues are rendered once, and not whenever the preview begins.
        home = workspace.home.absolute()
        self._kept = KeptFindings(
            workspace.state_dir / CACHE, home, repr(self._settings), workspace.template_dirs, home
        )

    def identity(self) -> dict[str, str | bool]:
        """What the page calls the newsletter and its reader."""
        return {
            "name": self._publication.name,
            "tagline": self._publication.tagline,
            "reader": self.reader.label,
            "provider": self.outgoing.provider,
            "provider_writes_mime": self.outgoing.writes_mime,
            "from": self._publication.from_email,
            "sandbox": self._settings.provider.sandbox,
        }

    def files(self) -> Sequence[Path]:
        """The newsletter's issue files."""
        return self.workspace.issue_files()

    def name_of(self, path: Path) -> str:
        """The file as findings name it."""
        return shown_name(self.workspace.home, path)

    def summary(self, path: Path) -> Summary | None:
        """What the front matter says, or None where it can't be read."""
        try:
            front = self._parse(path).front
        except NewsletterError:
            return None
        return _summary(front) if front else None

    def build(self, path: Path, reader: str = "") -> Picture | Broken:
        """The picture of the file as it is now for `reader`, or why there is none; never raises.

        Args:
            path: the issue's file.
            reader: who reads, as `reader_named` knows them; empty for the reader of this builder.
        """
        started = time.perf_counter()
        name = self.name_of(path)
        wait_until_written(path)
        self._unrendered.pop(path, None)
        try:
            who = reader_named(self.workspace, reader) if reader else self.reader
            return self._build(path, who, started)
        except UsageError as error:  # there is no such reader, which is no fault of the issue
            return Broken((unforeseen(name, error.message, error.hint),), text_of(path))
        except NewsletterError as error:
            cause = self._cause(name, error)
        except TooLongError as error:
            cause = given_up(name, error)
        except Exception as error:  # noqa: BLE001 - a template of the author's own may raise anything, and the preview lives on
            cause = unforeseen(name, f"{type(error).__name__}: {error}")
        self._unrendered[path] = (cause,)
        return Broken((cause,), text_of(path))

    def findings(self, path: Path, *, as_before: bool = False) -> list[Diagnostic]:
        """Everything the checks say about the file; never raises.

        Args:
            path: the issue's file.
            as_before: it is as it was when it was last asked about, and so is what it is made of: only what other
                files have a part in may have changed.
        """
        name = self.name_of(path)
        try:
            if not as_before or path not in self._of_messages:
                self._of_messages[path] = self._of_the_message(path)
            return self._check(path, name)
        except NewsletterError as error:
            return [unforeseen(name, error.message, error.hint)]
        except TooLongError as error:
            return [given_up(name, error)]
        except Exception as error:  # noqa: BLE001 - as in `build`
            return [unforeseen(name, f"{type(error).__name__}: {error}")]

    def keep_findings(self) -> None:
        """Remember for the next time what was found in messages; where that can't be written, it costs time only."""
        workspace = self.workspace
        if workspace.issues_dir.is_dir() or workspace.state_dir.is_dir():
            self._kept.write([*self.files(), *guide_files(workspace.issues_dir)])

    def support(self, path: Path) -> Support | None:
        """Which mail programs know what the issue's message is made of, or None where there is no message; never raises."""
        if path in self._unrendered:
            return None
        try:
            issue = self._parse(path).issue
            if issue is None:
                return None
            compiled = compile_rendered(
                self._renderer.render(issue), issue, attach=self.outgoing.attach
            ).issue
            if compiled is None:
                return None
            mail = mail_of(compiled, complete(self._settings.publication), None)
            return support_of(mail.page, self._rendering.origin(issue), self.workspace.template_dirs[-1])
        except (NewsletterError, TooLongError):
            return None
        except Exception:  # noqa: BLE001 - as in `build`, which says what it was
            return None

    def _cause(self, name: str, error: NewsletterError) -> Diagnostic:
        """The error as a finding, in the template's line where it names one."""
        where = _TEMPLATE_LINE.match(error.message)
        if where is None:
            return unforeseen(name, error.message, error.hint)
        found = unforeseen(self.name_of(Path(where[1])), where[3], error.hint, int(where[2]))
        return replace(found, code=_TEMPLATE_MISTAKE)

    def frozen(self, path: Path) -> bytes:
        """The issue as a send through the settings' provider would freeze it.

        Raises:
            NewsletterError: it can't be sent as it is.
        """
        provider = self.workspace.provider()
        files = self.files()
        prepared = prepare(
            path,
            self.workspace.preparation(files),
            provider.capabilities,
            local=provider.name == "outbox",
            display=self.name_of(path),
        )
        return freeze(prepared.frozen)

    def _check(self, path: Path, name: str) -> list[Diagnostic]:
        table, off = self._settings.checks, self.workspace.off_in(path)
        _, found = check_file(path, kinds=self._settings.kinds, off=off, errors=table.errors, display=name)
        parsed = self._parse(path)
        more = settled([*self._across(path, parsed), *self._of_messages[path]], off, table.errors)
        return sorted(dict.fromkeys([*found, *without_repeats(more, found)]), key=by_place)

    def _across(self, path: Path, parsed: ParseResult) -> Sequence[Diagnostic]:
        """What is wrong between the file and the newsletter's others."""
        if not self._claims:
            for file in self.files():
                real = file.resolve()  # as the studio names files
                self._claims[real] = read_claims(real)._replace(path=self.name_of(real))
        mine = self._claims[path] = claims_of(parsed)
        # Of a thousand files, those that claim the same; the others are not even asked whether they are there.
        rivals = [
            claims
            for file, claims in self._claims.items()
            if (claims.number == mine.number or not set(mine.slugs).isdisjoint(claims.slugs))
            and file != path
            and file.is_file()
        ]
        return check_across([parsed], rivals)

    def _of_the_message(self, path: Path) -> Sequence[Diagnostic]:
        """What rendering and the rules on the finished message say."""
        if path in self._unrendered:  # what took all the time there is would take it again
            return self._unrendered[path]
        name = self.name_of(path)
        source = read_text(path, name)
        known = self._kept.find(path, source.text, name) if source.text is not None else None
        if known is not None:
            return known
        issue = parse_issue_source(source, self._settings.kinds).issue
        if issue is None or source.text is None:
            return ()
        found = check_rendered(issue, self._rendering)
        self._kept.keep(path, source.text, name, found)
        return found

    def _parse(self, path: Path) -> ParseResult:
        return read_issue(path, self._settings.kinds, self.name_of(path))

    def _build(self, path: Path, reader: Reader, started: float) -> Picture | Broken:
        parsed = self._parse(path)
        issue = parsed.issue
        if issue is None:
            errors = tuple(d for d in parsed.diagnostics if d.severity is Severity.ERROR)
            return Broken(errors or parsed.diagnostics, text_of(path))
        rendered = self._renderer.render(issue)
        compiled = compile_rendered(rendered, issue, attach=self.outgoing.attach)
        if compiled.issue is None:
            return Broken(compiled.diagnostics, text_of(path))
        message = read_message(
            sample_mime(
                Frozen(
                    track(compiled.issue, self._settings.tracking.wishes, self._publication.base_url),
                    self._publication,
                ),
                reader.person,
                self._signer_of(reader),
                self.workspace.clock.now(),
                self.outgoing.dkim,
            )
        )
        return Picture(
            summary=_summary(issue.front),
            message=message,
            preheader=self._filled(rendered.preheader, rendered.slots, reader),
            assets=self._assets(rendered),
            took=time.perf_counter() - started,
            reader=reader.label,
        )

    def _signer_of(self, reader: Reader) -> TokenSigner:
        return self._signer if reader is self.reader else signer_for(self.workspace, reader)

    def _filled(self, text: str, slots: SlotTable, reader: Reader) -> str:
        recipients = Recipients(
            0,
            self._signer_of(reader),
            self._publication.base_url,
            unsubscribe_address=self._publication.unsubscribe_address,
        )
        values = recipients.make(reader.person).values

        def value(match: re.Match[str]) -> str:
            field, default = slots.entry(int(match[1]))
            return values.get(field) or default

        return TOKEN.sub(value, text)

    def _assets(self, rendered: RenderedIssue) -> dict[str, InlineImage]:
        """Pictures by what `src` says; linked ones are on a site that may not be built yet, so they come from here."""
        linked = f"{self._publication.base_url}/assets/"
        return {
            **{f"cid:{image.content_id}": image for image in rendered.images},
            **{f"{linked}{image.filename}": image for image in rendered.linked},
        }


def wait_until_written(path: Path) -> None:
    """Wait for up to 60 ms while the file is empty: an editor that truncates and then writes is caught in between."""
    for _ in range(12):
        try:
            if path.stat().st_size:
                return
        except OSError:
            return
        time.sleep(0.005)


def _summary(front: FrontMatter) -> Summary:
    date = f"{front.date.day} {front.date:%b %Y}"
    return Summary(front.number, to_nobody(front.title), date, front.status)
