from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from newsletter.errors import UsageError
from newsletter.model.message import Message, OutcomeKind
from newsletter.providers.base import Batch, LookUp, ProviderOptions, SessionProvider
from newsletter.providers.outbox import OutboxProvider


def outbox(folder: Path, send_name: str = "001-hello-1") -> OutboxProvider:
    return OutboxProvider(ProviderOptions(name="outbox", outbox_dir=folder / "outbox", send_name=send_name))


def batch(*names: str) -> Batch:
    return Batch(
        "key",
        [
            Message(name, "a@example.com", "b@example.org", mime=b"To: b\r\n\r\n" + name.encode())
            for name in names
        ],
    )


def test_it_is_a_provider_that_can_be_asked(tmp_path: Path) -> None:
    provider = outbox(tmp_path)
    assert isinstance(provider, SessionProvider)
    assert isinstance(provider, LookUp)


def test_each_message_is_a_file_named_by_its_delivery_that_only_the_owner_reads(tmp_path: Path) -> None:
    names = [f"d{n}" for n in range(120)]
    result = outbox(tmp_path).session().send(batch(*names))
    assert {o.kind for o in result.outcomes} == {OutcomeKind.ACCEPTED}
    assert [o.delivery_id for o in result.outcomes] == names
    folder = tmp_path / "outbox" / "001-hello-1"
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{name}.eml" for name in names)
    assert (folder / "d7.eml").read_bytes() == b"To: b\r\n\r\nd7"
    assert (folder / "d7.eml").stat().st_mode & 0o777 == 0o600


def test_sending_again_changes_nothing(tmp_path: Path) -> None:
    provider = outbox(tmp_path)
    provider.session().send(batch("a"))
    before = (provider.folder / "a.eml").read_bytes()
    assert provider.session().send(batch("a")).outcomes[0].kind is OutcomeKind.ACCEPTED
    assert [p.name for p in provider.folder.iterdir()] == ["a.eml"]
    assert (provider.folder / "a.eml").read_bytes() == before


def test_a_look_up_tells_accepted_from_provably_not_and_a_draft_is_not(tmp_path: Path) -> None:
    provider = outbox(tmp_path)
    provider.session().send(batch("a"))
    (provider.folder / ".b.part").write_bytes(b"half")
    found = provider.look_up(["a", "b", "c"])
    assert {name: outcome.kind for name, outcome in found.items()} == {
        "a": OutcomeKind.ACCEPTED,
        "b": OutcomeKind.DEFERRED,
        "c": OutcomeKind.DEFERRED,
    }


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_gets_full_holds_the_send_and_defers_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    write, written = os.write, []

    def full_after_two(descriptor: int, data: bytes) -> int:
        written.append(descriptor)
        if len(written) > 60:
            raise OSError(code, os.strerror(code))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full_after_two)
    provider = outbox(tmp_path)
    names = [f"d{n}" for n in range(100)]
    result = provider.session().send(batch(*names))
    assert result.hold is not None
    assert result.hold.retry_after is None
    assert result.hold.hint
    kinds = [outcome.kind for outcome in result.outcomes]
    there = {path.stem for path in provider.folder.glob("*.eml")}
    assert there == {o.delivery_id for o in result.outcomes if o.kind is OutcomeKind.ACCEPTED}
    assert kinds.count(OutcomeKind.ACCEPTED) == 50
    assert kinds.count(OutcomeKind.DEFERRED) == 50
    assert not list(provider.folder.glob(".*.part"))


def test_a_folder_that_cannot_be_made_holds_the_send(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file in the way")
    result = outbox(tmp_path).session().send(batch("a"))
    assert result.outcomes[0].kind is OutcomeKind.DEFERRED
    assert result.hold is not None


@pytest.mark.parametrize("name", ["../x", "a/b", ".."])
def test_a_send_cannot_name_a_folder_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        outbox(tmp_path, name)
