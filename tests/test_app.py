"""The workspace: which file an author means, and the key everything else is signed with."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from newsletter.app import Workspace
from newsletter.config import Secrets, Settings
from newsletter.errors import NewsletterError, UsageError


def workspace(home: Path, **environ: str) -> Workspace:
    return Workspace(home=home, settings=Settings(), secrets=Secrets(home, environ))


@pytest.mark.parametrize("name", ["2", "002", "second-one", "002-second-one", "issues/002-second-one.md"])
def test_an_issue_is_found_by_number_slug_or_path(tmp_path: Path, name: str) -> None:
    (tmp_path / "issues").mkdir()
    for file in ("001-first.md", "002-second-one.md"):
        (tmp_path / "issues" / file).touch()
    assert workspace(tmp_path).find_issue(name) == tmp_path / "issues" / "002-second-one.md"


def test_an_issue_is_found_by_its_own_slug_and_by_its_name_s(tmp_path: Path) -> None:
    issues = tmp_path / "issues"
    issues.mkdir()
    (issues / "001-first.md").write_text("---\nnumber: 1\nslug: hybrid-retrieval\n---\n")
    (issues / "002_Ärger mit Evals.md").write_text("---\nnumber: 2\n---\n")
    for name in ("hybrid-retrieval", "first"):
        assert workspace(tmp_path).find_issue(name) == issues / "001-first.md"
    assert workspace(tmp_path).find_issue("arger-mit-evals") == issues / "002_Ärger mit Evals.md"


def test_an_unknown_or_ambiguous_issue_says_which_there_are(tmp_path: Path) -> None:
    (tmp_path / "issues").mkdir()
    for file in ("001-a.md", "01-b.md"):
        (tmp_path / "issues" / file).touch()
    with pytest.raises(UsageError, match=r"fits several issues: 001-a\.md, 01-b\.md"):
        workspace(tmp_path).find_issue("1")
    with pytest.raises(UsageError, match="there is no issue `7`") as caught:
        workspace(tmp_path).find_issue("7")
    assert "001-a.md" in caught.value.hint


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    # Root may read whatever has lost its permissions; a link to itself nobody can.
    (tmp_path / "issues").symlink_to("issues")
    with pytest.raises(OSError, match="symbolic links"):
        workspace(tmp_path).issue_files()


def test_the_key_is_made_once_kept_private_and_stays(tmp_path: Path) -> None:
    first = workspace(tmp_path).secret_key
    path = tmp_path / ".newsletter" / "secret.key"
    assert workspace(tmp_path).secret_key == first
    assert len(first) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["secret.key"]


def test_processes_that_make_the_key_at_once_agree(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from newsletter.audience.keys import kept_ring;"
        "sys.stdout.write(kept_ring(Path(sys.argv[1]))[0].hex())"
    )
    path = tmp_path / "secret.key"
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) for _ in range(6)
    ]
    keys = {process.communicate(timeout=60)[0] for process in started}
    assert len(keys) == 1
    assert len(keys.pop()) == 64


def test_a_damaged_key_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / ".newsletter" / "secret.key"
    path.parent.mkdir()
    path.write_text("???")
    with pytest.raises(NewsletterError, match="doesn't hold a key"):
        _ = workspace(tmp_path).secret_key
    assert path.read_text() == "???"


def test_the_environment_s_key_wins_and_must_be_long(tmp_path: Path) -> None:
    assert workspace(tmp_path, NEWSLETTER_SECRET_KEY="k" * 32).secret_key == b"k" * 32
    assert not (tmp_path / ".newsletter").exists()
    with pytest.raises(UsageError, match="too short") as caught:
        _ = workspace(tmp_path, NEWSLETTER_SECRET_KEY="hunter2").secret_key
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_a_place_where_no_key_can_be_kept_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / ".newsletter").write_text("in the way")
    with pytest.raises(OSError, match=r"\.newsletter"):
        _ = workspace(tmp_path).secret_key


def test_a_key_never_goes_to_another_provider_s_address(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "provider": {
                "name": "resend",
                "base_url": "https://resend.internal",
                "stream": "theirs",
                "sandbox": True,
            }
        }
    )
    keys = {"NEWSLETTER_RESEND_API_KEY": "re_1", "NEWSLETTER_MAILJET_API_KEY": "public:private"}
    place = Workspace(home=tmp_path, settings=settings, secrets=Secrets(tmp_path, keys))
    with pytest.raises(UsageError, match="sandbox"):
        place.provider("resend")
    other = place.provider("mailjet")
    assert vars(other)["_base"] == "https://api.mailjet.com"
    assert vars(other)["_sandbox"], "what must not be delivered must not be through any"
