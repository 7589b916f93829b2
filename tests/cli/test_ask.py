"""`newsletter ask`, `eval` and `mcp` as they are used: passages with addresses, a model that is checked, figures, a client."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from newsletter.cli import ask, evaluate
from newsletter.errors import UsageError
from tests.conftest import ROOT, missing
from tests.fakes.chat import FakeChat
from tests.running import Run
from tests.waiting import finish

KEY = "sk-very-secret"
QUESTION = "which value of k is customary in rank fusion"
SETTINGS = """\
name = "Notes"
from = "notes@example.com"
postal_address = "1 Example Street"
base_url = "https://notes.example.com"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our own archive, of which nothing was sent: guides are published, issues are drafts."""
    folder = tmp_path_factory.mktemp("letter")
    shutil.copytree(ROOT / "issues", folder / "issues")
    (folder / "newsletter.toml").write_text(SETTINGS)
    return folder


@pytest.fixture
def inside(home: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Runs a command in this process, in the newsletter's folder."""
    monkeypatch.chdir(home)
    return CliRunner()


@pytest.fixture
def chat() -> Iterator[FakeChat]:
    with FakeChat(secret=KEY) as fake:
        yield fake


def test_passages_are_printed_with_number_address_and_date(run: Run, home: Path) -> None:
    done = run("ask", "--drafts", QUESTION, "--limit", "2", cwd=home)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line[:3] for line in lines if line.startswith("[")] == ["[1]", "[2]"]
    assert lines[0].endswith("(2026-11-20)")
    assert lines[1].strip() == (
        "https://notes.example.com/guides/bm25-vs-vector-vs-hybrid-search/#choose-hybrid"
    )
    assert "k = 60" in done.stdout


def test_drafts_are_asked_only_when_wanted(home: Path, inside: CliRunner) -> None:
    done = inside.invoke(ask.app, [QUESTION, "--limit", "20", "--json"])
    passages = json.loads(done.stdout)["passages"]
    assert passages
    assert all(passage["id"].startswith("guides/") for passage in passages)


def test_what_nothing_answers_is_said_and_no_model_is_asked(inside: CliRunner, chat: FakeChat) -> None:
    arguments = ["how do I bake sourdough bread", "--model", "small", "--base-url", chat.base_url]
    done = inside.invoke(ask.app, arguments)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "nothing in the archive answers this\n"
    assert chat.calls == []


def test_a_model_answers_from_the_passages_it_is_given(run: Run, home: Path, chat: FakeChat) -> None:
    chat.says = lambda _: "Choose it on purpose [1]."
    done = run(
        "ask",
        QUESTION,
        "--model",
        "small",
        "--base-url",
        chat.base_url,
        cwd=home,
        env={"NEWSLETTER_ASK_API_KEY": KEY},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "Choose it on purpose [1].",
        "",
        "[1] Choose Hybrid · BM25 vs. vector search vs. hybrid: what to retrieve with (2026-11-20)",
        "    https://notes.example.com/guides/bm25-vs-vector-vs-hybrid-search/#choose-hybrid",
    ]
    assert KEY not in done.stdout + done.stderr
    [[system, user]] = chat.asked
    assert "from nothing else" in system["content"]
    assert "With the customary k = 60" in user["content"]
    assert user["content"].endswith(f"Question: {QUESTION}")


def test_a_terminal_is_told_who_is_asked_while_the_model_thinks(
    home: Path, chat: FakeChat, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("NEWSLETTER_ASK_API_KEY", KEY)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    arguments = ["--drafts", QUESTION, "--model", "small", "--base-url", chat.base_url]
    ask.app(arguments, standalone_mode=False)
    assert capsys.readouterr().err == f"asking {chat.base_url.split('/')[2]} …\n"


def test_an_answer_that_cites_what_is_not_there_is_flagged(run: Run, home: Path, chat: FakeChat) -> None:
    (home / "newsletter.toml").write_text(
        f'{SETTINGS}\n[ask]\nbase_url = "{chat.base_url}"\nmodel = "small"\n'
    )
    chat.says = lambda _: "Always \x1b]0;owned\x07 60 [9]."
    try:
        done = run("ask", QUESTION, cwd=home, env={"NEWSLETTER_ASK_API_KEY": KEY})
        quiet = run("ask", QUESTION, "--no-model", cwd=home)
    finally:
        (home / "newsletter.toml").write_text(SETTINGS)
    assert done.returncode == 1
    assert "not to be trusted: it cites [9], and there is no such passage" in done.stderr
    assert "\x1b" not in done.stdout
    assert (quiet.returncode, len(chat.calls)) == (0, 1)


def test_a_model_that_cannot_be_asked_is_an_error_without_a_traceback(
    run: Run, home: Path, chat: FakeChat
) -> None:
    arguments = ("ask", QUESTION, "--model", "small", "--base-url", chat.base_url)
    wrong = run(*arguments, cwd=home, env={"NEWSLETTER_ASK_API_KEY": "sk-wrong"})
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error: 127.0.0.1:")
    assert "sk-wrong" not in wrong.stderr
    nowhere = run("ask", QUESTION, "--model", "small", cwd=home)
    assert nowhere.returncode == 2
    assert "there is no address for the model" in nowhere.stderr


def test_retrieval_is_measured_and_an_anchor_that_is_gone_is_found_out(home: Path, inside: CliRunner) -> None:
    (home / "questions.csv").write_text(
        f"question,anchors\n{QUESTION},hybrid-retrieval#concept\nWhat is lost?,gone#concept\nBread?,\n"
    )
    done = inside.invoke(evaluate.app, ["questions.csv", "--drafts", "--k", "1,5"])
    assert done.exit_code == 1
    assert done.stdout.startswith("questions.csv: 1 question, 1 that nothing answers, 66 passages\n")
    assert "questions.csv:3: no passage has the anchor gone#concept" in done.stderr


@pytest.mark.parametrize(
    "command", [("ask", "hello"), ("eval", "--questions"), ("search", "hello"), ("mcp",)]
)
def test_a_folder_without_a_newsletter_is_no_empty_archive(
    run: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = run(*command, cwd=tmp_path)
    assert done.returncode == 2
    assert f"there is no newsletter in {tmp_path}" in done.stderr
    assert "NEWSLETTER_HOME" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_in_a_file_of_questions_is_obeyed_by_the_terminal(home: Path, inside: CliRunner) -> None:
    cases = [
        {"question": "Is \x1b[31mred lost?", "anchors": ["gone\x1b]0;mine\x07#concept"]},
        {"question": "Bread \x1b[31mor sourdough?", "anchors": ["hybrid-retrieval#concept"]},
    ]
    (home / "hostile.jsonl").write_text("\n".join(map(json.dumps, cases)))
    done = inside.invoke(evaluate.app, ["hostile.jsonl", "--drafts"])
    assert done.exit_code == 1
    assert "Bread ␛[31mor" in done.stdout
    assert "gone␛]0;mine␇#concept" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--base-url", "http://127.0.0.1:9/v1"), "no model to ask there"),
        (("--no-model", "--model", "small"), "--no-model asks no model"),
    ],
)
def test_options_that_would_do_nothing_are_a_mistake_of_use(
    inside: CliRunner, arguments: tuple[str, ...], message: str
) -> None:
    failure = inside.invoke(ask.app, [QUESTION, *arguments]).exception
    assert isinstance(failure, UsageError)
    assert message in failure.message


def test_figures_are_there_for_scripts(run: Run, home: Path) -> None:
    printed = run("eval", "--drafts", "--json", cwd=home)
    assert printed.returncode == 0, printed.stderr
    figures = json.loads(printed.stdout)
    assert figures["answerable"] == 48
    assert figures["recall"]["5"] > 0.8


def test_the_archives_own_questions_make_a_first_file_and_replace_none(home: Path, inside: CliRunner) -> None:
    done = inside.invoke(evaluate.app, ["--questions", "--out", "own.jsonl"])
    assert done.exit_code == 0, done.output
    assert "These are easy" in done.stdout
    lines = [json.loads(line) for line in (home / "own.jsonl").read_text().splitlines()]
    assert len(lines) == 24
    assert lines[0]["question"].endswith("?")
    before = (home / "own.jsonl").read_bytes()
    again = inside.invoke(evaluate.app, ["--questions", "--out", "own.jsonl"]).exception
    assert isinstance(again, UsageError)
    assert "own.jsonl is there already" in again.message
    assert (home / "own.jsonl").read_bytes() == before


def test_an_assistant_searches_gets_and_cites_over_mcp(home: Path) -> None:
    try:
        from mcp import ClientSession, StdioServerParameters, stdio_client
    except ImportError:
        missing("the `mcp` package")
    before = {path for path in home.rglob("*") if ".newsletter" not in path.parts}
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "newsletter", "mcp"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "NEWSLETTER_HOME": str(home)},
    )

    async def talk() -> dict[str, Any]:
        async with stdio_client(server) as streams, ClientSession(*streams) as session:
            await session.initialize()
            tools = (await session.list_tools()).tools
            found = await session.call_tool("search", {"query": QUESTION, "limit": 2})
            id_ = found.structured_content["passages"][0]["id"]
            got = await session.call_tool("get", {"id": id_})
            cited = await session.call_tool("cite", {"id": id_, "quote": "Fuse ranks"})
            path = await session.call_tool("get", {"id": "../newsletter.toml"})
            huge = await session.call_tool("search", {"query": "x" * 501})
            draft = await session.call_tool("get", {"id": "hybrid-retrieval#concept"})
            return {
                "names": [tool.name for tool in tools],
                "read_only": [tool.annotations and tool.annotations.read_only_hint for tool in tools],
                "got": got.structured_content,
                "cited": cited.structured_content,
                "refused": [path.is_error, huge.is_error, draft.is_error],
            }

    said = finish(talk())
    assert said["names"] == ["search", "get", "cite"]
    assert said["read_only"] == [True, True, True]
    assert "With the customary k = 60" in said["got"]["text"]
    assert said["cited"]["quote_found"] is True
    assert said["cited"]["markdown"].endswith("/guides/bm25-vs-vector-vs-hybrid-search/#choose-hybrid)")
    assert said["refused"] == [True, True, True]
    assert {path for path in home.rglob("*") if ".newsletter" not in path.parts} == before


def test_without_the_extra_mcp_says_what_to_install(run: Run, home: Path, tmp_path: Path) -> None:
    (tmp_path / "mcp").mkdir()
    (tmp_path / "mcp" / "__init__.py").write_text("raise ImportError('No module named mcp')")
    done = run("mcp", cwd=home, env={"PYTHONPATH": f"{tmp_path}:{ROOT}"})
    assert done.returncode == 2
    assert 'pip install "newsletter-toolkit[mcp]"' in done.stderr
