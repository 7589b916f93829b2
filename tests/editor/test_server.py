"""A real server in a process of its own, spoken to as an editor does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

pytest.importorskip("pygls", reason="needs the extra `lsp`")

ISSUE = """---
number: 1
title: "Ünïcode 🚀"
date: 2026-01-05
description: What it is about.
tgas: [rag]
---
## Concept: 🚀 Words
Body.

**Takeaway:** One.
"""


class Editor:
    """An editor of one folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        environment = {k: v for k, v in os.environ.items() if k != "NEWSLETTER_HOME"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "newsletter", "lsp"],
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._out: IO[bytes] = self.process.stdin
        self._in: IO[bytes] = self.process.stdout
        self._number = 0
        self.told: list[dict[str, Any]] = []
        try:
            self._begin()
        except BaseException:
            self.process.kill()
            self.process.communicate()
            raise

    def _begin(self) -> None:
        home = self.home
        said = self.ask("initialize", {"processId": None, "rootUri": home.as_uri(), "capabilities": {}})
        self.capabilities: dict[str, Any] = said["capabilities"]
        self.tell("initialized", {})

    def tell(self, method: str, params: Any, number: int | None = None) -> None:
        """A notification, or a request where it has a number."""
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if number is not None:
            message["id"] = number
        data = json.dumps(message).encode()
        self._out.write(b"Content-Length: %d\r\n\r\n%b" % (len(data), data))
        self._out.flush()

    def ask(self, method: str, params: Any) -> Any:
        """The answer to a request; what is told meanwhile is kept."""
        self._number += 1
        self.tell(method, params, self._number)
        while True:
            message = self._read()
            if message.get("id") == self._number and "method" not in message:
                assert "error" not in message, message
                return message["result"]
            self.told.append(message)

    def findings(self, uri: str) -> list[dict[str, Any]]:
        """The next findings about a file."""
        while True:
            for at, message in enumerate(self.told):
                if message.get("method") == "textDocument/publishDiagnostics":
                    params = message["params"]
                    if params["uri"] == uri:
                        del self.told[at]
                        return list(params["diagnostics"])
            self.told.append(self._read())

    def open(self, path: Path, text: str) -> str:
        """Show a file; its address."""
        uri = path.as_uri()
        item = {"uri": uri, "languageId": "markdown", "version": 1, "text": text}
        self.tell("textDocument/didOpen", {"textDocument": item})
        return uri

    def change(self, uri: str, text: str, version: int = 2) -> None:
        """Type."""
        whole = {"textDocument": {"uri": uri, "version": version}, "contentChanges": [{"text": text}]}
        self.tell("textDocument/didChange", whole)

    def close(self) -> int:
        """Say goodbye; what the server leaves with."""
        self.ask("shutdown", None)
        self.tell("exit", None)
        code = self.process.wait(timeout=60)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code

    def _read(self) -> dict[str, Any]:
        length = 0
        while line := self._in.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        assert length, self.process.stderr.read().decode() if self.process.stderr else ""
        answer: dict[str, Any] = json.loads(self._in.read(length))
        return answer


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    home = tmp_path_factory.mktemp("notes")
    (home / "issues" / "guides").mkdir(parents=True)
    (home / "newsletter.toml").write_text('name = "Notes"\n[checks]\noff = ["NL302"]\n')
    (home / "issues" / "002-other.md").write_text("---\nnumber: 2\ntitle: x\nslug: taken\n---\n")
    editor = Editor(home)
    yield editor
    if editor.process.poll() is None:
        assert editor.close() == 0


def test_findings_stand_where_the_editor_counts_them(editor: Editor) -> None:
    uri = editor.open(editor.home / "issues" / "001-first.md", ISSUE)
    found = editor.findings(uri)
    unknown = next(one for one in found if one["code"] == "NL102")
    assert unknown["range"]["start"] == {"line": 5, "character": 0}
    assert unknown["range"]["end"] == {"line": 5, "character": 4}
    assert "did you mean `tags`" in unknown["message"]
    assert unknown["source"] == "newsletter"

    # An emoji is two of the units that editors count in.
    editor.change(uri, ISSUE.replace("🚀 Words", "🚀 \u200bWords").replace("tgas", "tags"))
    found = editor.findings(uri)
    assert "NL102" not in {one["code"] for one in found}
    invisible = next(one for one in found if one["range"]["start"]["line"] == 7 and "200B" in one["message"])
    assert invisible["range"]["start"]["character"] == len("## Concept: ") + 3
    editor.change(uri, ISSUE.replace("number: 1", "number: 2").replace("tgas", "tags"), 3)
    assert "NL901" in {one["code"] for one in editor.findings(uri)}


def test_a_word_is_mended_by_an_action(editor: Editor) -> None:
    path = editor.home / "issues" / "003-third.md"
    uri = editor.open(path, ISSUE.replace("number: 1", "number: 3"))
    editor.findings(uri)
    whole = {"start": {"line": 5, "character": 0}, "end": {"line": 5, "character": 0}}
    actions = editor.ask(
        "textDocument/codeAction",
        {"textDocument": {"uri": uri}, "range": whole, "context": {"diagnostics": []}},
    )
    quick = next(action for action in actions if action["kind"] == "quickfix")
    [edit] = quick["edit"]["changes"][uri]
    assert edit["newText"] == "tags: [rag]\n"
    assert edit["range"] == {"start": {"line": 5, "character": 0}, "end": {"line": 6, "character": 0}}


def test_keys_are_completed_and_explained(editor: Editor) -> None:
    path = editor.home / "issues" / "004-fourth.md"
    uri = editor.open(path, "---\nnumber: 4\n\nstatus: \n---\n")
    here = {"textDocument": {"uri": uri}, "position": {"line": 2, "character": 0}}
    labels = [item["label"] for item in editor.ask("textDocument/completion", here)]
    assert labels[:3] == ["title", "date", "description"]
    value = {"textDocument": {"uri": uri}, "position": {"line": 3, "character": 8}}
    items = editor.ask("textDocument/completion", value)
    assert [item["textEdit"]["newText"] for item in items] == ["draft", "ready"]
    hovered = editor.ask(
        "textDocument/hover", {"textDocument": {"uri": uri}, "position": {"line": 1, "character": 2}}
    )
    assert "unique in the newsletter" in hovered["contents"]["value"]


def test_other_markdown_is_left_alone(editor: Editor) -> None:
    uri = editor.open(editor.home / "README.md", "# Not an issue\n")
    assert editor.findings(uri) == []
    here = {"textDocument": {"uri": uri}, "position": {"line": 0, "character": 0}}
    assert editor.ask("textDocument/completion", here) == []
    assert editor.ask("textDocument/hover", here) is None


def test_wrong_settings_are_told_and_the_server_goes_on(editor: Editor) -> None:
    settings = editor.home / "newsletter.toml"
    right = settings.read_text()
    settings.write_text("nmae = 1\n")
    uri = editor.open(editor.home / "issues" / "005-fifth.md", ISSUE.replace("number: 1", "number: 5"))
    assert "NL102" in {one["code"] for one in editor.findings(uri)}
    while not any(message.get("method") == "window/showMessage" for message in editor.told):
        editor.told.append(editor._read())
    said = next(message for message in editor.told if message.get("method") == "window/showMessage")
    assert "unknown key `nmae`" in said["params"]["message"]
    settings.write_text(right)


def test_a_folder_with_a_space_in_its_name_is_served(tmp_path: Path) -> None:
    home = tmp_path / "Meine Notizen ü"
    (home / "issues").mkdir(parents=True)
    (home / "newsletter.toml").write_text('name = "Notes"\n')
    other = Editor(home)
    uri = other.open(home / "issues" / "001-100 % ours.md", ISSUE)

    assert "NL102" in {one["code"] for one in other.findings(uri)}
    other.tell("textDocument/didSave", {"textDocument": {"uri": uri}})
    assert "NL102" in {one["code"] for one in other.findings(uri)}
    hovered = other.ask(
        "textDocument/hover", {"textDocument": {"uri": uri}, "position": {"line": 1, "character": 2}}
    )
    assert hovered is not None
    assert other.close() == 0


def test_who_types_fast_does_not_wait_for_the_checks_of_what_is_gone(editor: Editor) -> None:
    uri = editor.open(editor.home / "issues" / "006-sixth.md", ISSUE.replace("number: 1", "number: 6"))
    editor.findings(uri)
    for version in range(2, 52):
        editor.change(uri, ISSUE.replace("tgas", f"key{version}"), version)

    # The answer to a request comes after all that was told before it.
    editor.ask("textDocument/hover", {"textDocument": {"uri": uri}, "position": {"line": 1, "character": 2}})
    rounds = [editor.findings(uri)]
    while not any("key51" in one["message"] for one in rounds[-1]):
        rounds.append(editor.findings(uri))
    assert len(rounds) < 10


def test_a_text_is_the_editors_own_whatever_ends_a_line_in_other_programs(editor: Editor) -> None:
    capabilities = editor.capabilities
    assert capabilities["textDocumentSync"]["change"] == 1, "whole texts: ranges are counted in other lines"

    uri = editor.open(editor.home / "issues" / "007-seventh.md", ISSUE)
    editor.findings(uri)
    editor.change(uri, ISSUE.replace("Ünïcode", "U\u2028\x0c\x85"))
    assert next(one for one in editor.findings(uri) if one["code"] == "NL102")["range"]["start"]["line"] == 5


def test_a_file_that_was_closed_is_told_nothing_more(editor: Editor) -> None:
    uri = editor.open(editor.home / "issues" / "008-eighth.md", ISSUE)
    editor.findings(uri)
    editor.change(uri, ISSUE + "\n")
    editor.tell("textDocument/didClose", {"textDocument": {"uri": uri}})
    assert editor.findings(uri) == []

    later = editor.open(editor.home / "issues" / "009-ninth.md", ISSUE)
    editor.findings(later)
    editor.change(later, ISSUE + "\n")
    editor.findings(later)
    assert not any(message["params"].get("uri") == uri for message in editor.told if message.get("params"))


def test_it_ends_when_the_editor_does(editor: Editor) -> None:
    assert editor.close() == 0


def test_ctrl_c_ends_it_at_once(tmp_path: Path) -> None:
    other = Editor(tmp_path)
    other.process.send_signal(signal.SIGINT)
    assert other.process.wait(timeout=60) == 0
    other.process.communicate()
