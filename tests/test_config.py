"""Settings: what a file says, and what is said back where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsletter.config import Secrets, Settings, find_home, load_settings
from newsletter.errors import UsageError


def write(home: Path, text: str) -> Path:
    (home / "newsletter.toml").write_text(text, "utf-8")
    return home


def test_a_folder_without_settings_has_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path) == Settings()


def test_an_unknown_key_is_refused_with_its_line_and_a_suggestion(tmp_path: Path) -> None:
    write(tmp_path, 'name = "N"\n\n[sending]\nrat = 3\n')
    with pytest.raises(
        UsageError, match=r"newsletter\.toml:4: unknown key `sending\.rat`; did you mean `rate`\?"
    ):
        load_settings(tmp_path)


def test_every_wrong_value_is_named_at_once(tmp_path: Path) -> None:
    write(tmp_path, 'base_url = "nope"\n[theme]\naccent = "red"\n[provider]\nport = 99999\n')
    with pytest.raises(UsageError) as caught:
        load_settings(tmp_path)
    lines = caught.value.message.splitlines()
    assert [line.split(": ")[0].rsplit(":", 1)[1] for line in lines] == ["1", "5", "3"]
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "text",
    [
        'name = "unclosed',
        'from = "no address here"',
        'from = "Two <a@example.com>, <b@example.com>"',
        'name = "a\\nb"',
        'postal_address = "a\\u202eb"',
        '[theme]\nfont = "Arial; } body { display: none"',
        '[theme]\nlogo = "javascript:alert(1)"',
        '[sections.concept]\nheadin = "Konzept"',
    ],
)
def test_a_wrong_setting_is_one_clear_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="newsletter"):
        load_settings(write(tmp_path, text))


def test_a_file_that_is_not_text_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "newsletter.toml").write_bytes(b"name = '\xff\xfe'")
    with pytest.raises(UsageError, match="can't be read"):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    ("written", "email", "name"),
    [
        ("Ada <ada@example.com>", "ada@example.com", "Ada"),
        ("ada@example.com", "ada@example.com", "N"),
        ('"Lovelace, Ada" <ada@example.com>', "ada@example.com", "Lovelace, Ada"),
    ],
)
def test_the_sender_is_split_into_name_and_address(
    tmp_path: Path, written: str, email: str, name: str
) -> None:
    write(tmp_path, f"name = 'N'\nfrom = '{written}'\n")
    publication = load_settings(tmp_path).publication
    assert (publication.from_email, publication.from_name) == (email, name)
    assert publication.list_id == "newsletter.example.com"


def test_settings_may_live_in_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.newsletter]\nname = "From pyproject"\n')
    assert load_settings(tmp_path).name == "From pyproject"


def test_the_home_is_found_from_a_folder_inside(tmp_path: Path) -> None:
    inside = tmp_path / "issues" / "images"
    inside.mkdir(parents=True)
    write(tmp_path, 'name = "N"')
    assert find_home(inside, {}) == tmp_path


def test_the_home_named_by_the_environment_wins_and_must_exist(tmp_path: Path) -> None:
    assert find_home(Path("/"), {"NEWSLETTER_HOME": str(tmp_path)}) == tmp_path
    with pytest.raises(UsageError, match="not a folder"):
        find_home(Path("/"), {"NEWSLETTER_HOME": str(tmp_path / "gone")})


def test_a_secret_comes_from_the_environment_before_dotenv_and_never_shows(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("NEWSLETTER_RESEND_API_KEY=from-file\nNEWSLETTER_SMTP_PASSWORD='p$x'\n")
    secrets = Secrets(tmp_path, {"NEWSLETTER_RESEND_API_KEY": "from-environment"})
    key, password = secrets.get("NEWSLETTER_RESEND_API_KEY"), secrets.get("NEWSLETTER_SMTP_PASSWORD")
    assert key is not None
    assert password is not None
    assert key.get_secret_value() == "from-environment"
    assert password.get_secret_value() == "p$x"
    assert "from-environment" not in repr(key)
    assert secrets.get("NEWSLETTER_SECRET_KEY") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('provider = "smtp"\n', r"newsletter\.toml:1: `provider`: it has to be a table: \[provider\]"),
        (
            "[sending]\nrate = 'fast'\n",
            r':2: `sending\.rate`: `fast` is no rate: write `rate = 14`, "14 a second"',
        ),
        ("[sending]\nrate = true\n", r":2: `sending\.rate`: `True` is no rate: write"),
        ("[sending]\nrate = '9,000 a day'\n", r":2: `sending\.rate`: .* write `daily_quota = 9000` instead"),
        ("[sending]\ncalls = 'few'\n", r":2: `sending\.calls`: `few` is no rate: write `calls = 14`"),
        (
            "[sending]\ndaily_quota = 'many'\n",
            r"`sending\.daily_quota`: `many` is no number of messages: write",
        ),
        ("[sending]\nburst = 'all'\n", r"`sending\.burst`: it has to be a whole number"),
        ("[sending]\nbatch = -1\n", r":2: `sending\.batch`: it has to be 0 or more"),
        ("name = 3\n", ":1: `name`: it has to be text in quotes"),
        ("[provider]\ntls = 'maybe'\n", "`provider.tls`: it has to be true or false"),
        ("[checks]\noff = 'NL1'\n", "`checks.off`: it has to be a list"),
        ("[sending]\nday = 'someday'\n", "`sending.day`: it has to be one of '', 'monday'"),
        ("base_url = 'https://exa mple.com'\n", "`https://exa mple.com` won't do: write an address such as"),
        ("timezone = 'Mars/Base'\n", ":1: `timezone`: there is no time zone `Mars/Base`"),
        ("language = 'english please'\n", "write a language tag such as en"),
    ],
)
def test_a_wrong_value_is_explained_in_the_words_of_the_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load_settings(write(tmp_path, text))


def test_what_limits_a_send_may_be_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "newsletter.toml").write_text(
        "[sending]\nrate = 'at most 14 messages a second'\ncalls = '10 a minute'\n"
        "daily_quota = '50,000 a day'\nburst = 100\n"
    )
    sending = load_settings(tmp_path).sending
    assert (sending.rate, sending.daily_quota, sending.burst) == (14, 50000, 100)
    assert sending.calls == pytest.approx(1 / 6)


def test_settings_that_are_no_readable_file_are_never_passed_over(tmp_path: Path) -> None:
    (tmp_path / "newsletter.toml").symlink_to("gone.toml")
    with pytest.raises(UsageError, match="can't be read: No such file"):
        load_settings(find_home(tmp_path))
    (tmp_path / "newsletter.toml").unlink()
    (tmp_path / "newsletter.toml").mkdir()
    with pytest.raises(UsageError, match="can't be read: Is a directory"):
        load_settings(find_home(tmp_path))
    (tmp_path / "newsletter.toml").rmdir()
    (tmp_path / "newsletter.toml").write_bytes(b"name = '\xff'")
    with pytest.raises(UsageError, match="byte 9 is not UTF-8"):
        load_settings(tmp_path)


def test_settings_saved_with_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    (tmp_path / "newsletter.toml").write_bytes(b"\xef\xbb\xbfname = 'Notes'\n")
    assert load_settings(tmp_path).name == "Notes"


@pytest.mark.parametrize(
    "text", ['[tool]\nnewsletter = { name = "Inline" }\n', '[tool]\nnewsletter.name = "Inline"\n']
)
def test_a_pyproject_may_write_the_table_in_any_way_toml_has(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    (tmp_path / "issues").mkdir()
    assert find_home(tmp_path / "issues") == tmp_path
    assert load_settings(tmp_path).name == "Inline"


def test_a_pyproject_whose_newsletter_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool]\nnewsletter = 3\n")
    with pytest.raises(UsageError, match=r"`tool\.newsletter` is not a table"):
        load_settings(tmp_path)
