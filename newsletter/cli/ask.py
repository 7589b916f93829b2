"""`newsletter ask`: the passages of the archive that answer a question, and, where a model is named, its answer from them."""

from __future__ import annotations

import re
import shutil
import sys
from typing import TYPE_CHECKING, Any

import typer

from newsletter.app import Workspace, open_workspace
from newsletter.cli.output import paint, print_json
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from newsletter.site.chat_endpoint import ChatEndpoint
    from newsletter.site.cited_answer import CheckedAnswer
    from newsletter.site.passage import Passage
    from newsletter.site.retrieval import Retrieved

app = typer.Typer()

# To be read by a person, and by a model; see `newsletter eval` for what is found among so many.
_SHOWN, _GIVEN = 3, 6
_WIDEST, _INDENT = 92, "    "
_CODE = "    "
_ITEM = re.compile(r" {0,3}(?:[-*]|\d{1,3}[.)]) (?=\S)")


@app.command()
def ask(
    words: list[str] = typer.Argument(..., metavar="QUESTION", help="A question, best in quotes."),
    limit: int = typer.Option(
        0,
        "--limit",
        min=0,
        max=50,
        show_default=False,
        help=f"How many passages; {_SHOWN}, or {_GIVEN} for a model, unless given.",
    ),
    model: str = typer.Option(
        "", "--model", metavar="NAME", help="Have this model answer; `ask.model` unless given."
    ),
    no_model: bool = typer.Option(
        False, "--no-model", help="Passages alone, even if the settings name a model."
    ),
    base_url: str = typer.Option(
        "",
        "--base-url",
        metavar="URL",
        help="What /chat/completions is appended to; `ask.base_url` unless given.",
    ),
    drafts: bool = typer.Option(False, "--drafts", help="Ask what isn't published as well."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Find the passages that answer a question, each with its address and date.

    With a model (any OpenAI-compatible address; the key is NEWSLETTER_ASK_API_KEY) its answer from these passages is
    printed, with their numbers. An answer that cites what it wasn't given, or nothing, is flagged, and leaves with 1.

    Example: newsletter ask "when does fine-tuning pay?"
    Example: newsletter ask "when does fine-tuning pay?" --model llama3.2 --base-url http://127.0.0.1:11434/v1
    """
    question = _question(words)
    if no_model and (model or base_url):
        raise UsageError("--no-model asks no model", hint="leave out --no-model, or --model and --base-url")
    workspace = open_workspace()
    name = "" if no_model else model or workspace.settings.ask.model
    endpoint = _endpoint(workspace, name, base_url)
    most = limit or (_GIVEN if endpoint else _SHOWN)
    found, empty = _retrieved(workspace, question, most, drafts=drafts)
    passages = [hit.passage for hit in found.hits] if found.answers else []
    answer = _answer(endpoint, question, passages) if endpoint and passages else None
    if as_json:
        print_json(_as_json(question, found, name, answer))
    elif not passages:
        _print_nothing(empty=empty, drafts=drafts)
    elif answer is None:
        print("\n\n".join(_passage(number, passage) for number, passage in enumerate(passages, 1)))
    else:
        _print_answer(answer, passages)
    if answer is not None and answer.faults:
        raise typer.Exit(1)


def _question(words: Sequence[str]) -> str:
    from newsletter.site.retrieval import LONGEST_QUESTION

    question = " ".join(" ".join(words).split())
    if not any(map(str.isalnum, question)) or len(question) > LONGEST_QUESTION:
        raise UsageError(
            f"a question has a word, and at most {LONGEST_QUESTION:,} characters",
            hint='write it in quotes: newsletter ask "when does fine-tuning pay?"',
        )
    return question


def _endpoint(workspace: Workspace, model: str, base_url: str) -> ChatEndpoint | None:
    if not model:
        if base_url:
            raise UsageError("--base-url is given, and no model to ask there", hint="name one with --model")
        return None
    from newsletter.site.chat_endpoint import KEY_VARIABLE, chat_endpoint

    key = workspace.secrets.get(KEY_VARIABLE)
    return chat_endpoint(base_url or workspace.settings.ask.base_url, model, key)


def _retrieved(workspace: Workspace, question: str, most: int, *, drafts: bool) -> tuple[Retrieved, bool]:
    """What was found, and whether there is nothing that could be."""
    from newsletter.cli.archive_index import current_index
    from newsletter.site.retrieval import Retriever

    with current_index(workspace, drafts=drafts) as index:
        found = Retriever(index, workspace.settings.language).retrieve(question, most)
        return found, not found.hits and not index.passages()


def _answer(endpoint: ChatEndpoint, question: str, passages: Sequence[Passage]) -> CheckedAnswer:
    import secrets

    from newsletter.site.cited_answer import check_answer, messages_for

    # Nobody who wrote a passage could know it: no text can end the quotation it stands in.
    fence = f"=={secrets.token_hex(8)}=="
    if sys.stderr.isatty():
        # A model may think for minutes, and who gets the question is nobody's secret.
        print(f"asking {endpoint.host} …", file=sys.stderr)
    reply = endpoint.reply(messages_for(question, passages, fence))
    return check_answer(reply.text, passages, cut=reply.cut)


def _print_nothing(*, empty: bool, drafts: bool) -> None:
    print("nothing in the archive answers this", file=sys.stderr)
    if empty:
        more = "" if drafts else "; --drafts asks what was not sent"
        print(f"nothing is published yet{more}", file=sys.stderr)


def _print_answer(answer: CheckedAnswer, passages: Sequence[Passage]) -> None:
    if answer.declined:
        print("the passages found don't contain the answer", file=sys.stderr)
        return
    print(_wrapped(answer.text, ""))
    cited = [number for number in answer.cited if 1 <= number <= len(passages)]
    if cited:
        print()
    for number in sorted(cited):
        print(_head(number, passages[number - 1]))
    for fault in answer.faults:
        from newsletter.cli.terminal_text import printable

        print(f"{paint('not to be trusted', 1, 31, stream=sys.stderr)}: {printable(fault)}", file=sys.stderr)


def _passage(number: int, passage: Passage) -> str:
    return f"{_head(number, passage)}\n\n{_wrapped(passage.text, _INDENT)}"


def _head(number: int, passage: Passage) -> str:
    from newsletter.cli.terminal_text import printable

    of = f" · {printable(passage.title)}" if passage.heading else ""
    name = paint(printable(passage.heading or passage.title), 1)
    return f"[{number}] {name}{of} ({passage.date})\n{_INDENT}{paint(passage.url, 4)}"


def _wrapped(text: str, indent: str) -> str:
    """`text` as a terminal shows it: prose wrapped, code and tables as they are, nothing in it obeyed."""
    from newsletter.cli.terminal_text import printable
    from newsletter.render.columns import wrap

    columns = max(20, min(_WIDEST, shutil.get_terminal_size().columns) - len(indent))
    lines: list[str] = []
    for line in text.split("\n"):
        shown = printable(line.rstrip())
        mark = _ITEM.match(shown)
        hanging = " " * len(mark[0]) if mark else ""
        if shown.startswith(_CODE) or "  " in shown.strip():
            lines.append(shown)
        else:
            first, *more = wrap(shown[len(hanging) :], columns - len(hanging))
            lines += [f"{shown[: len(hanging)]}{first}", *(f"{hanging}{rest}" for rest in more)]
    return "\n".join(f"{indent}{line}".rstrip() for line in lines)


def _as_json(question: str, found: Retrieved, model: str, answer: CheckedAnswer | None) -> dict[str, Any]:
    return {
        "question": question,
        "answered": found.answers,
        "coverage": round(found.coverage, 3),
        "passages": [
            {
                "number": number,
                **hit.passage.about(),
                "text": hit.passage.text,
                "score": round(hit.score, 4),
            }
            for number, hit in enumerate(found.hits if found.answers else (), 1)
        ],
        "answer": None
        if answer is None
        else {
            "model": model,
            "text": answer.text,
            "declined": answer.declined,
            "cited": list(answer.cited),
            "faults": list(answer.faults),
        },
    }
