"""How do an editor and a session talk? The Language Server Protocol 3.17 over standard input and output, spoken by pygls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.workspace import PositionCodec, TextDocument

from newsletter import __version__
from newsletter.checks.fix import apply_fixes
from newsletter.diagnostics import Diagnostic, Severity
from newsletter.editor.session import Session

# Seconds without a key pressed after which a text is checked: who types fast would wait behind the checks of
# texts that are none any more.
_PAUSE = 0.1
_SEVERITY = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.INFO: types.DiagnosticSeverity.Information,
}


def make_server() -> LanguageServer:
    """A server whose `start_io` serves one editor until it says goodbye or goes away."""
    # The whole text at each change: pygls counts the lines of a partial one by `splitlines`, which ends them at
    # U+2028, U+0085 and form feeds too; editors don't, and from there on it would hold another text than they.
    server = LanguageServer(
        "newsletter", __version__, text_document_sync_kind=types.TextDocumentSyncKind.Full
    )
    _Answers(server)
    return server


class _Answers:
    def __init__(self, server: LanguageServer) -> None:
        self._server, self._session = server, Session()
        self._told: set[str] = set()
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        server.feature(types.TEXT_DOCUMENT_DID_OPEN)(_function(self.opened))
        server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(_function(self.changed))
        server.feature(types.TEXT_DOCUMENT_DID_SAVE)(_function(self.saved))
        server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(_function(self.closed))
        server.feature(
            types.TEXT_DOCUMENT_COMPLETION,
            types.CompletionOptions(trigger_characters=["#", " ", "*", ":"]),
        )(_function(self.complete))
        server.feature(types.TEXT_DOCUMENT_HOVER)(_function(self.hover))
        server.feature(
            types.TEXT_DOCUMENT_CODE_ACTION,
            types.CodeActionOptions(
                code_action_kinds=[types.CodeActionKind.QuickFix, types.CodeActionKind.SourceFixAll]
            ),
        )(_function(self.actions))

    # What the editor tells --------------------------------------------------------------------------

    def opened(self, params: types.DidOpenTextDocumentParams) -> None:
        self._publish(params.text_document.uri)

    def changed(self, params: types.DidChangeTextDocumentParams) -> None:
        uri = params.text_document.uri
        self._stop_waiting(uri)
        self._waiting[uri] = asyncio.get_running_loop().call_later(_PAUSE, self._publish, uri)

    def saved(self, _params: types.DidSaveTextDocumentParams) -> None:
        # A file that was saved may take an address or a number from another that is open.
        for document in list(self._server.workspace.text_documents.values()):
            self._publish(document.uri)

    def closed(self, params: types.DidCloseTextDocumentParams) -> None:
        self._stop_waiting(params.text_document.uri)
        self._send(params.text_document.uri, [])

    # What it asks -----------------------------------------------------------------------------------

    def complete(self, params: types.CompletionParams) -> list[types.CompletionItem]:
        document = self._document(params.text_document.uri)
        if document is None:
            return []
        path, text = Path(document.path), document.source
        lines = text.split("\n")
        at = self._codec.position_from_client_units(lines, params.position)
        return [
            types.CompletionItem(
                label=one.label,
                detail=one.detail or None,
                documentation=types.MarkupContent(types.MarkupKind.Markdown, one.explanation)
                if one.explanation
                else None,
                sort_text=f"{number:03}",
                filter_text=one.text,
                text_edit=types.TextEdit(self._range(lines, at.line, one.start, at.character), one.text),
            )
            for number, one in enumerate(self._session.complete(path, text, at.line, at.character))
        ]

    def hover(self, params: types.HoverParams) -> types.Hover | None:
        document = self._document(params.text_document.uri)
        if document is None:
            return None
        text = document.source
        at = self._codec.position_from_client_units(text.split("\n"), params.position)
        said = self._session.explain(Path(document.path), text, at.line, at.character)
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, said)) if said else None

    def actions(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        """A replacement for each finding in the range that has one, and one that makes all of them."""
        document = self._document(params.text_document.uri)
        if document is None:
            return []
        uri, text = document.uri, document.source
        lines = text.split("\n")
        found = [one for one in self._session.findings(Path(document.path), text) if one.fix is not None]
        made = [
            types.CodeAction(
                title=one.help or f"Mend {one.code}: {one.message}",
                kind=types.CodeActionKind.QuickFix,
                diagnostics=[self._diagnostic(one, lines)],
                edit=self._edit(uri, lines, 0, text, apply_fixes(text, [one])[0]),
            )
            for one in found
            if params.range.start.line <= one.line - 1 <= params.range.end.line
        ]
        if found:
            made.append(
                types.CodeAction(
                    title="Make all replacements that are safe to make",
                    kind=types.CodeActionKind.SourceFixAll,
                    edit=self._edit(uri, lines, 0, text, apply_fixes(text, found)[0]),
                )
            )
        return made

    # Parts ------------------------------------------------------------------------------------------

    @property
    def _codec(self) -> PositionCodec:
        return self._server.workspace.position_codec

    def _document(self, uri: str) -> TextDocument | None:
        """An issue or guide that the editor shows; anything else is none of ours."""
        document = self._server.workspace.get_text_document(uri)
        # Of a document that isn't open, nothing but its address is known.
        if document.version is None or not uri.startswith("file:"):
            return None
        return document if self._session.is_ours(Path(document.path), document.source) else None

    def _stop_waiting(self, uri: str) -> None:
        if waiting := self._waiting.pop(uri, None):
            waiting.cancel()

    def _publish(self, uri: str) -> None:
        self._stop_waiting(uri)
        document = self._document(uri)
        if document is None:
            self._send(uri, [])
            return
        lines = document.source.split("\n")
        found = self._session.findings(Path(document.path), document.source)
        self._send(uri, [self._diagnostic(one, lines) for one in found], document.version)
        for mistake in set(self._session.mistakes.values()) - self._told:
            self._server.window_show_message(types.ShowMessageParams(types.MessageType.Error, mistake))
        self._told = set(self._session.mistakes.values())

    def _send(self, uri: str, found: list[types.Diagnostic], version: int | None = None) -> None:
        self._server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found, version))

    def _diagnostic(self, found: Diagnostic, lines: Sequence[str]) -> types.Diagnostic:
        line, column = max(0, found.line - 1), max(0, found.column - 1)
        end = column + found.length if found.column else len(lines[line]) if line < len(lines) else 0
        return types.Diagnostic(
            range=self._range(lines, line, column, end),
            message=f"{found.message}\n{found.help}" if found.help else found.message,
            severity=_SEVERITY[found.severity],
            code=found.code,
            source="newsletter",
        )

    def _range(self, lines: Sequence[str], line: int, start: int, end: int) -> types.Range:
        """Columns as the client counts them: in UTF-16 units, unless both agreed on something else."""
        ends = types.Range(types.Position(line, start), types.Position(line, max(start, end)))
        return self._codec.range_to_client_units(list(lines), ends)

    def _edit(self, uri: str, lines: Sequence[str], first: int, old: str, new: str) -> types.WorkspaceEdit:
        """An edit of the lines that differ, so that the cursor elsewhere stays where it is."""
        before, after = old.split("\n"), new.split("\n")
        while before and after and before[0] == after[0]:
            before, after, first = before[1:], after[1:], first + 1
        while before and after and before[-1] == after[-1]:
            before, after = before[:-1], after[:-1]
        changed = types.Range(types.Position(first, 0), types.Position(first + len(before), 0))
        text = "".join(f"{line}\n" for line in after)
        if first + len(before) == len(lines) and before:
            # The last line has no end of its own.
            last = self._codec.client_num_units(lines[-1])
            changed = types.Range(types.Position(first, 0), types.Position(len(lines) - 1, last))
            text = "\n".join(after)
        return types.WorkspaceEdit(changes={uri: [types.TextEdit(changed, text)]})


def _function(method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A method as pygls can register it: it writes attributes on what it is given, which methods don't take."""

    def call(params: Any) -> Any:
        return method(params)

    return call
