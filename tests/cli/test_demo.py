"""`newsletter demo`: the main job, done on a machine that has nothing set up."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

from tests.running import Run


def test_the_demo_sends_a_real_issue_to_200_people(tmp_path: Path, run: Run) -> None:
    done = run("demo", "--dir", "demo", env={"NEWSLETTER_SECRET_KEY": "too short to be used by the demo"})
    assert done.returncode == 0, done.stderr
    for command in ("init", "check", "subscribers import", "send 1", "status 1"):
        assert f"$ newsletter {command}" in done.stdout
    sent = sorted((tmp_path / "demo" / ".newsletter" / "outbox").glob("*/*.eml"))
    assert len(sent) == 200
    messages = [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in sent]
    assert len({message["To"] for message in messages}) == 200
    assert len({message["List-Unsubscribe"] for message in messages}) == 200
    text = messages[0].get_body(("plain",))
    assert text is not None
    assert "RAG adds knowledge at query time" in " ".join(text.get_content().split())


def test_the_demo_leaves_a_folder_with_something_in_it_alone(tmp_path: Path, run: Run) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    refused = run("demo", "--dir", ".")
    assert refused.returncode == 2
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
