"""`newsletter check` looks at the finished mail, remembers what it saw, and says each fault once, where it was made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.checks.output.kept import CACHE
from newsletter.cli.root import run as run_command_line
from tests.conftest import ROOT

CASES = ROOT / "tests" / "cases"
GOOD = (CASES / "NL101" / "good.md").read_text("utf-8")
SETTINGS = (
    'name = "Notes"\nfrom = "notes@notes.dev"\npostal_address = "1 Lane"\nbase_url = "https://notes.dev"\n'
)
PICTURE = ROOT / "issues" / "images"
Check = Callable[..., tuple[int, list[dict[str, object]]]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "issues").mkdir()
    (tmp_path / "newsletter.toml").write_text(SETTINGS)
    (tmp_path / "issues" / "001-a.md").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NEWSLETTER_HOME", raising=False)
    return tmp_path


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    def call(*arguments: str) -> tuple[int, list[dict[str, object]]]:
        monkeypatch.setattr(sys, "argv", ["newsletter", "check", "--format", "json", *arguments])
        with pytest.raises(SystemExit) as left:
            run_command_line()
        out, err = capsys.readouterr()
        assert err == ""
        return int(left.value.code or 0), json.loads(out)

    return call


def footer(home: Path, text: str) -> Path:
    path = home / "templates" / "email" / "footer.html.j2"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def codes(found: list[dict[str, object]]) -> list[object]:
    return [one["code"] for one in found]


def test_a_fault_of_a_template_is_said_once_for_all_issues_at_the_templates_line(
    home: Path, check: Check
) -> None:
    footer(home, '<p>{{ publication.postal_address }}</p>\n<p><a href="https://notes.dev/">Notes</a></p>\n')
    (home / "issues" / "002-b.md").write_text(
        GOOD.replace("number: 1", "number: 2").replace("title: One title", "title: Another title")
    )
    code, found = check()
    assert code == 1
    assert [(one["code"], one["path"], one["line"]) for one in found] == [
        ("NL750", "templates/email/footer.html.j2", 1)
    ]
    # What is remembered reads as what was seen.
    assert check() == (code, found)
    assert check("--no-render") == (0, [])
    (home / "newsletter.toml").write_text(f'{SETTINGS}\n[checks]\noff = ["NL750"]\n')
    assert check() == (0, [])


def test_each_format_and_explain_know_the_codes_of_the_message(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    footer(home, "{% include 'none' %}\n")
    said = {
        "sarif": '"ruleId": "NL760"',
        "github": "::error file=",
        "concise": ": NL760 ",
        "text": "error[NL760]",
    }
    for format_, words in said.items():
        monkeypatch.setattr(sys, "argv", ["newsletter", "check", "--format", format_])
        with pytest.raises(SystemExit):
            run_command_line()
        assert words in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["newsletter", "explain", "NL741"])
    with pytest.raises(SystemExit):
        run_command_line()
    assert "102 KB" in capsys.readouterr().out


def test_what_the_source_shows_already_is_not_said_again_of_the_message(home: Path, check: Check) -> None:
    text = GOOD.replace(
        "\n## ", "\n[About Notes](http://notes.fm/a) and [here](https://notes.dev/b).\n\n## ", 1
    )
    (home / "issues" / "001-a.md").write_text(text)
    by_line = [(one["line"], one["code"]) for one in check()[1]]
    assert "NL309" in {code for _, code in by_line}
    assert not {"NL731", "NL707"} & {code for _, code in by_line}


def test_whatever_changes_the_mail_has_it_looked_at_again(home: Path, check: Check) -> None:
    issue = home / "issues" / "001-a.md"
    issue.write_text(GOOD.replace("\n## ", "\n![A lane](lane.png)\n\n## ", 1))
    picture = home / "issues" / "lane.png"
    picture.write_bytes(next(PICTURE.glob("*.png")).read_bytes())
    assert check() == (0, [])
    cache = home / ".newsletter" / CACHE

    def looked_again() -> bool:
        before = cache.stat().st_ino
        check()
        return cache.stat().st_ino != before

    assert not looked_again()
    issue.write_text(issue.read_text() + "More.\n")
    assert looked_again()
    os.utime(picture, ns=(1, 1))
    assert looked_again()
    (home / "newsletter.toml").write_text(SETTINGS.replace("1 Lane", "2 Lanes"))
    assert looked_again()
    path = footer(
        home,
        '<p>{{ publication.postal_address }}</p>\n<p><a href="{{ unsubscribe_url }}">Leave</a> '
        '<a href="{{ web_url }}">View in browser</a></p>\n',
    )
    assert looked_again()
    path.unlink()
    assert looked_again()
    assert not looked_again()
    cache.write_text('{"common": 7}')
    assert looked_again()


def test_where_nothing_can_be_kept_nothing_is_lost_but_time(home: Path, check: Check) -> None:
    (home / ".newsletter").write_text("in the way")
    assert check() == (0, [])
    assert (home / ".newsletter").read_text() == "in the way"


def test_a_file_that_belongs_to_no_newsletter_is_checked_and_nothing_left_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: Check
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "001-a.md").write_text(GOOD)
    assert check("001-a.md") == (0, [])
    assert [path.name for path in tmp_path.iterdir()] == ["001-a.md"]


def test_an_unchanged_issue_costs_neither_templates_nor_markdown_nor_a_parser_of_html(
    home: Path, check: Check
) -> None:
    check()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "newsletter", "check"],
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "newsletter.checks.output.kept" in loaded
    assert not loaded & {
        "jinja2",
        "markdown",
        "css_inline",
        "selectolax",
        "pygments",
        "httpx",
        "cryptography",
    }
    assert not [name for name in loaded if name.startswith("newsletter.render.email")]
