"""`newsletter doctor` as it is typed: its contract for scripts, its exit codes, its patience, and that it changes nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from newsletter.app import open_workspace
from newsletter.checks.setup.line import Area, Status
from newsletter.cli.doctor import app
from newsletter.cli.doctor_questions import Asked, examine
from newsletter.errors import UsageError
from tests.checks.setup.test_domain import WORLD
from tests.fakes.dns import SILENT, FakeDns
from tests.providers.test_accounts import DOMAIN, GOOD, FakeAccount
from tests.running import Run

KEY = "re_a_key_that_nobody_may_see"
SETTINGS = """\
name = "Notes"
from = "Ada <ada@{domain}>"
postal_address = "1 Example Street"
base_url = "{base_url}"

[provider]
name = "{provider}"
base_url = "{api}"
"""


@pytest.fixture(scope="module")
def names() -> Iterator[FakeDns]:
    with FakeDns(dict(WORLD)) as server:
        yield server


@pytest.fixture(scope="module")
def account() -> Iterator[FakeAccount]:
    with FakeAccount(answers=GOOD["resend"]) as server:
        yield server


def home(folder: Path, **settings: str) -> Path:
    values = {"domain": DOMAIN, "base_url": "https://127.0.0.1:9", "provider": "outbox", "api": ""} | settings
    (folder / "issues").mkdir(parents=True)
    (folder / "newsletter.toml").write_text(SETTINGS.format(**values), "utf-8")
    return folder


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


def test_a_newsletter_that_is_ready_passes_and_scripts_are_told_so(
    run: Run, tmp_path: Path, names: FakeDns, account: FakeAccount
) -> None:
    folder = home(tmp_path / "notes", provider="resend", api=account.url)
    (folder / ".env").write_text(f"NEWSLETTER_RESEND_API_KEY={KEY}\n")
    (folder / ".env").chmod(0o600)
    before = files(folder)
    done = run("doctor", "--nameserver", f"127.0.0.1:{names.port}", "--format", "json", cwd=folder)
    assert KEY not in done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert set(report) == {"checks", "status"}
    for check in report["checks"]:
        assert set(check) == {"id", "area", "status", "asked", "answer", "advice", "publish"}
        assert all(set(record) == {"name", "type", "value"} for record in check["publish"])
        assert check["status"] in {"ok", "warn", "fail", "unknown"}
    by_id = {check["id"]: check for check in report["checks"]}
    assert {i: c["answer"] for i, c in by_id.items() if c["area"] != "service" and c["status"] != "ok"} == {}
    assert {
        "dns.spf",
        "dns.dkim.resend",
        "dns.dmarc",
        "provider.key",
        "provider.domain",
        "machine.clock",
    } <= set(by_id)
    # Nobody listens at `base_url`: that is not known to be a fault.
    assert by_id["service.reached"]["status"] == by_id["service.certificate"]["status"] == "unknown"
    assert (report["status"], done.returncode) == ("unknown", 0)
    assert files(folder) == before


def test_what_fails_is_explained_with_records_to_paste_and_exits_with_1(
    run: Run, tmp_path: Path, names: FakeDns, account: FakeAccount
) -> None:
    folder = home(tmp_path / "notes", domain="nobody.dev", provider="resend", api=account.url)
    env = {"NEWSLETTER_RESEND_API_KEY": KEY}
    asked = ("doctor", "--nameserver", f"127.0.0.1:{names.port}", "--only", "dns,provider")
    done = run(*asked, cwd=folder, env=env)
    assert (done.returncode, done.stderr) == (1, "")
    assert "\x1b" not in done.stdout
    assert "✗ MX nobody.dev\n    fails: there is no such domain\n" in done.stdout
    assert "name  _dmarc.nobody.dev\n      type  TXT\n      value v=DMARC1; p=none; rua=" in done.stdout
    assert "Resend doesn't know the domain" in done.stdout
    assert "This machine" not in done.stdout
    markdown = run(*asked, "--format", "markdown", cwd=folder, env=env)
    assert markdown.stdout.startswith("# newsletter doctor\n")
    assert "_dmarc.nobody.dev\n  TXT\n" in markdown.stdout


def test_a_name_server_that_is_silent_is_waited_for_as_long_as_was_said(run: Run, tmp_path: Path) -> None:
    folder = home(tmp_path / "notes")
    with FakeDns({name: [SILENT] for name in (*WORLD, "com", f"_mta-sts.{DOMAIN}")}) as silent:
        began = time.monotonic()
        done = run(
            "doctor",
            "--nameserver",
            f"127.0.0.1:{silent.port}",
            "--timeout",
            "1",
            "--only",
            "dns",
            "--format",
            "json",
            cwd=folder,
        )
        took = time.monotonic() - began
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert "fail" not in {check["status"] for check in report["checks"]}
    assert report["status"] == "unknown"
    assert took < 25  # far less than all questions take, one after the other


def test_offline_asks_nobody(run: Run, tmp_path: Path, names: FakeDns) -> None:
    folder = home(tmp_path / "notes", provider="resend", api="http://127.0.0.1:9")
    names.asked.clear()
    done = run("doctor", "--offline", "--nameserver", f"127.0.0.1:{names.port}", cwd=folder)
    assert (done.returncode, names.asked) == (0, [])
    assert "Sending domain" not in done.stdout
    assert "This machine\n  ✓ store" in done.stdout


def test_a_sandbox_left_on_is_said(
    tmp_path: Path, account: FakeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEWSLETTER_HOME", raising=False)
    monkeypatch.setenv("NEWSLETTER_MAILJET_API_KEY", "key:secret")
    folder = home(tmp_path / "notes", provider="mailjet", api=account.url)
    with (folder / "newsletter.toml").open("a") as settings:
        settings.write("sandbox = true\n")
    asked = Asked("", (), frozenset([Area.PROVIDER]), offline=False, nameserver=("", 53), seconds=5)
    by_id = {line.id: line for line in examine(open_workspace(folder), asked)}
    assert by_id["provider.sandbox"].status is Status.WARN


@pytest.mark.parametrize(("store", "key"), [("ours", Status.FAIL), ("junk", Status.OK)])
def test_a_missing_key_is_mourned_only_beside_a_store_that_was_made_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str, key: Status
) -> None:
    monkeypatch.delenv("NEWSLETTER_HOME", raising=False)
    monkeypatch.delenv("NEWSLETTER_SECRET_KEY", raising=False)
    workspace = open_workspace(home(tmp_path / "notes"))
    if store == "ours":
        workspace.open_database().close()
        workspace.key_file.unlink()
    else:
        workspace.state_dir.mkdir()
        workspace.database_path.write_text(store)
    asked = Asked("", (), frozenset([Area.MACHINE]), offline=True, nameserver=("", 53), seconds=5)
    by_id = {line.id: line for line in examine(workspace, asked)}
    assert by_id["machine.secret_key"].status is key
    assert by_id["machine.store"].status is (Status.OK if store == "ours" else Status.FAIL)


def test_a_provider_without_its_key_is_a_failure_and_no_traceback(run: Run, tmp_path: Path) -> None:
    folder = home(tmp_path / "notes", provider="resend", api="http://127.0.0.1:9")
    done = run("doctor", "--only", "provider", cwd=folder)
    assert done.returncode == 1
    assert "NEWSLETTER_RESEND_API_KEY is missing" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "machines"], "did you mean `machine`?"),
        (["--format", "xml"], "text, json, markdown"),
        (["--domain", "no domain"], "news.example.com"),
        (["--domain", "localhost"], "news.example.com"),
        (["--selector", "a b"], "._domainkey"),
        (["--nameserver", "dns.example"], "9.9.9.9"),
        (["--nameserver", "127.0.0.1:99999"], "65535"),
    ],
)
def test_a_wrong_word_is_a_usage_error(arguments: list[str], said: str) -> None:
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, UsageError)
    assert said in error.hint
