"""What is in a single mail? The letter of its kind with its links, in the form the provider takes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, assert_never

from newsletter.app import Workspace
from newsletter.audience import preferences
from newsletter.audience.joining import LINK_LIFETIME
from newsletter.content.welcome import read_welcome
from newsletter.errors import NewsletterError
from newsletter.providers.base import Batch, ContentForm
from newsletter.render.letter import Letter, LetterRenderer
from newsletter.render.single import SingleWriter
from newsletter.store.outgoing import Mail, MailKind


class Composer:
    """Composes the single mails of one newsletter.

    Args:
        workspace: whose they are.
        welcome_file: the author's welcome, which may not exist.
    """

    def __init__(self, workspace: Workspace, welcome_file: Path) -> None:
        settings = workspace.settings
        self._workspace = workspace
        self._welcome_file = welcome_file
        self._letters = LetterRenderer(settings.publication, settings.look, workspace.template_dirs)
        # Without a public address it is tried out on this machine.
        self._base_url = settings.publication.base_url or f"http://{settings.web.host}:{settings.web.port}"

    def check(self) -> None:
        """Compose one of each kind, to find what is wrong with a template or the welcome.

        Raises:
            NewsletterError: something is.
        """
        welcome_there = self._welcome_file.is_file()
        for kind in MailKind:
            if kind is not MailKind.WELCOME or welcome_there:
                self._letter(kind, 0, "check", datetime.fromtimestamp(0).astimezone())

    def batch(
        self, writer: SingleWriter, content: ContentForm, mail: Mail, token: str, now: datetime
    ) -> Batch:
        """The mail as a batch of one.

        Args:
            writer: writes it.
            content: what the provider takes.
            mail: which, and to whom.
            token: of its link; empty where it has none.
            now: what it is dated.

        Raises:
            NewsletterError: a template or the welcome is wrong.
        """
        letter = self._letter(mail.kind, mail.subscriber_id, token, now)
        on_the_list = mail.kind in (MailKind.ALREADY, MailKind.WELCOME)
        leave_url = self._leave_links(mail.subscriber_id)["unsubscribe_url"] if on_the_list else ""
        # What wasn't accepted is written anew, with another link: under another key.
        key = f"{mail.key}-{mail.attempts}"
        match content:
            case ContentForm.MIME:
                return Batch(key, [writer.mime(letter, mail.email, mail.key, now, leave_url)])
            case ContentForm.FIELDS:
                return Batch(key, [writer.fields(letter, mail.email, mail.key, leave_url)])
            case ContentForm.VALUES:
                message = writer.fields(letter, mail.email, mail.key, leave_url)
                bare = message._replace(subject="", html_json=(), text_json=())
                return Batch(key, [bare], writer.shared(letter))
            case _:
                assert_never(content)

    def _letter(self, kind: MailKind, subscriber_id: int, token: str, now: datetime) -> Letter:
        match kind:
            case MailKind.CONFIRMATION:
                return self._letters.render("confirm", self._confirming(token))
            case MailKind.REMINDER:
                return self._letters.render("reminder", self._confirming(token))
            case MailKind.ALREADY:
                return self._letters.render("already", self._leave_links(subscriber_id))
            case MailKind.PREFERENCES:
                url = preferences.fresh_link(self._workspace.signer, self._base_url, subscriber_id, now)
                minutes = int(preferences.LINK_LIFETIME.total_seconds()) // 60
                return self._letters.render("preferences", {"manage_url": url, "minutes": minutes})
            case MailKind.WELCOME:
                welcome = read_welcome(self._welcome_file)
                if welcome is None:
                    raise NewsletterError(
                        f"{self._welcome_file} is gone",
                        hint="put it back, so that those who wait are welcomed",
                    )
                return self._letters.welcome(welcome, self._leave_links(subscriber_id))
            case _:
                assert_never(kind)

    def _confirming(self, token: str) -> dict[str, Any]:
        return {"confirm_url": f"{self._base_url}/confirm/{token}", "days": LINK_LIFETIME.days}

    def _leave_links(self, subscriber_id: int) -> dict[str, Any]:
        signer = self._workspace.signer
        return {
            "unsubscribe_url": f"{self._base_url}/u/{signer.unsubscribe(subscriber_id)}",
            "preferences_url": f"{self._base_url}/p/{signer.preferences(subscriber_id)}",
        }
