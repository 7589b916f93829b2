"""The one place that turns Settings into a store, a provider, a renderer and a clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from newsletter.app.files import NewsletterFiles
from newsletter.audience.keys import KEY_FILE, KEY_VARIABLE, Ring, kept_ring, ring_from_variable
from newsletter.clock import Clock, SystemClock
from newsletter.config import Secrets, find_home, load_settings

if TYPE_CHECKING:
    # Imported when asked for: a command pays only for what it uses.
    from newsletter.audience.membership import Audience
    from newsletter.audience.retention import Periods
    from newsletter.audience.spool import Spool
    from newsletter.audience.suppression import Suppressions
    from newsletter.audience.tokens import TokenSigner
    from newsletter.providers.base import Provider
    from newsletter.render.dkim import DkimSigner
    from newsletter.render.email import EmailRenderer
    from newsletter.render.workshop import Workshop
    from newsletter.send.linked import LinkedPictures
    from newsletter.send.plan import Preparation
    from newsletter.send.run import Desk
    from newsletter.site.index import SearchIndex
    from newsletter.site.passage import ArchiveFiles
    from newsletter.store.sqlite import SqliteDatabase


@dataclass
class Workspace(NewsletterFiles):
    """One newsletter's folder, its settings and its state.

    Attributes:
        secrets: keys from the environment.
        clock: what time it is.
    """

    secrets: Secrets
    clock: Clock = field(default_factory=SystemClock)
    _signer: tuple[tuple[int, int], TokenSigner] | None = field(default=None, repr=False)

    @cached_property
    def spool(self) -> Spool:
        """Where wishes to leave wait while the store can't be written."""
        from newsletter.audience.spool import Spool

        return Spool(self.state_dir / "spool")

    def open_database(self) -> SqliteDatabase:
        """The store, its schema brought up to date, an interrupted import and waiting wishes to leave carried out; close it when done.

        Raises:
            StoreError: it can't be opened, is from a newer version, or was made with another secret key.
        """
        database, _ = self._open_store()
        return database

    def open_audience(self) -> Audience:
        """The list, ready to be changed; close its database when done.

        Raises:
            StoreError: see `open_database`.
        """
        from newsletter.audience.membership import Audience

        database, suppressions = self._open_store()
        return Audience(database, suppressions, self.clock)

    def _open_store(self) -> tuple[SqliteDatabase, Suppressions]:
        from newsletter.audience.suppression import Suppressions
        from newsletter.store.base import utc_text
        from newsletter.store.imports import finish_interrupted
        from newsletter.store.sqlite import SqliteDatabase

        database = SqliteDatabase(self.database_path)
        try:
            suppressions = Suppressions(database, *self.keys)
            finish_interrupted(database, suppressions.address_hmac, at=utc_text(self.clock.now()))
            # Only a service makes the folder: whoever has none doesn't pay for looking into it.
            if (self.state_dir / "spool").is_dir() and self.spool.waiting():
                from newsletter.audience.membership import Audience

                self.spool.carry_out(Audience(database, suppressions, self.clock))
        except BaseException:
            database.close()
            raise
        return database, suppressions

    @property
    def periods(self) -> Periods:
        """How long what is kept."""
        from newsletter.audience.retention import Periods

        table = self.settings.privacy
        return Periods(
            networks=timedelta(days=table.network_days) if table.network_days else None,
            people=timedelta(days=table.left_days) if table.left_days else None,
            reasons=timedelta(days=table.reason_days) if table.reason_days else None,
            reports=timedelta(days=self.settings.tracking.keep_days),
            mails=timedelta(days=table.mail_days),
        )

    @property
    def key_file(self) -> Path:
        """Where the secret keys are kept, unless `NEWSLETTER_SECRET_KEY` holds them."""
        return self.state_dir / KEY_FILE

    @property
    def keys(self) -> Ring:
        """What tokens and suppressions are keyed with, newest first: `NEWSLETTER_SECRET_KEY`, else random ones kept beside the store.

        Raises:
            UsageError: the variable holds fewer than 32 characters.
            NewsletterError: the file doesn't hold keys.
            OSError: no key can be kept there.
        """
        named = self.secrets.get(KEY_VARIABLE)
        return ring_from_variable(named.get_secret_value()) if named else kept_ring(self.key_file)

    @cached_property
    def secret_key(self) -> bytes:
        """The newest key, for what doesn't have to outlive it; see `keys`."""
        return self.keys[0]

    @property
    def signer(self) -> TokenSigner:
        """Makes and reads unsubscribe tokens and delivery ids; a rotation of the kept keys is noticed while a process runs."""
        written = self._keys_written()
        if self._signer is None or self._signer[0] != written:
            from newsletter.audience.tokens import TokenSigner

            self._signer = (written, TokenSigner(*self.keys))
        return self._signer[1]

    def _keys_written(self) -> tuple[int, int]:
        """What changes when the key file is replaced; the variable is fixed when a process begins."""
        try:
            found = self.key_file.stat()
        except OSError:
            return (0, 0)
        return (found.st_ino, found.st_mtime_ns)

    def sent_slugs(self) -> frozenset[str]:
        """Slugs of the issues that went out to people; nothing is made where there is no store yet.

        Raises:
            StoreError: see `open_database`.
        """
        if not self.database_path.is_file():
            return frozenset()
        from newsletter.store.sends import SendLedger

        database = self.open_database()
        try:
            ledger = SendLedger(database, self.clock)
            return frozenset(send.slug for send in ledger.sends() if ledger.reached_anybody(send.id))
        finally:
            database.close()

    def archive_files(self, *, drafts: bool = False) -> ArchiveFiles:
        """The issues and guides, and which of them readers may see; findings call each by its path from `home`.

        Raises:
            StoreError: see `open_database`.
            OSError: a folder can't be read.
        """
        from newsletter.content.guide_files import guide_files
        from newsletter.site.passage import ArchiveFiles

        def named(paths: list[Path]) -> list[tuple[Path, Path]]:
            return [(path, path.relative_to(self.home)) for path in paths]

        return ArchiveFiles(
            base_url=self.settings.publication.base_url,
            kinds=self.settings.kinds,
            issues=named(self.issue_files()),
            guides=named(guide_files(self.issues_dir)),
            sent=self.sent_slugs(),
            drafts=drafts,
        )

    def search_index(self, *, drafts: bool = False) -> SearchIndex:
        """The index of the archive as the last update left it, with or without what isn't published; close it when done."""
        from newsletter.site.index import SearchIndex

        path = self.state_dir / ("search-drafts.db" if drafts else "search.db")
        return SearchIndex(path, self.settings.language)

    def renderer(self, images: Literal["attach", "link"] = "attach") -> EmailRenderer:
        """What turns an issue into HTML and text; one serves many issues and keeps a cache of sections."""
        from newsletter.render.email import EmailRenderer

        return EmailRenderer(
            publication=self.settings.publication,
            theme=self.settings.look,
            kinds=self.settings.kinds,
            template_dirs=self.template_dirs,
            images=images,
            answer_in_email=self.settings.interview.answer_in_email,
            workshop=self.workshop,
        )

    @cached_property
    def workshop(self) -> Workshop:
        """What fits pictures and draws diagrams, and keeps them in `.newsletter/pictures`."""
        from newsletter.render.images import COLUMN
        from newsletter.render.workshop import Workshop

        return Workshop(self.state_dir / "pictures", self.settings.look, COLUMN)

    @property
    def linked_pictures(self) -> LinkedPictures:
        """Where pictures are that mails link: in the built site, or in `.newsletter/published`, from where they are served."""
        from newsletter.send.linked import LinkedPictures
        from newsletter.site.folder import MARK

        site = self.home / self.settings.site.out
        elsewhere = not self.settings.web.site and (site / MARK).is_file()
        return LinkedPictures(self.state_dir / "published", site if elsewhere else None)

    def preparation(self, issues: Sequence[Path], named: Callable[[Path], str] = str) -> Preparation:
        """What an issue of this newsletter is prepared with, to be sent.

        Args:
            issues: as findings shall call the files.
            named: what findings shall call other files, such as templates.
        """
        from newsletter.send.plan import Preparation

        settings = self.settings
        return Preparation(
            publication=settings.publication,
            renderer=self.renderer,
            kinds=settings.kinds,
            images=settings.sending.images,
            off=settings.checks.off,
            off_in=self.off_in,
            errors=settings.checks.errors,
            issues=tuple(issues),
            tracking=settings.tracking.wishes,
            pictures=self.linked_pictures,
            templates=self.template_dirs,
            settings=self.settings_file,
            named=named,
        )

    def desk(self, database: SqliteDatabase) -> Desk:
        """What sending needs of this newsletter."""
        from newsletter.send.limits import Wishes
        from newsletter.send.run import Desk

        sending = self.settings.sending
        return Desk(
            db=database,
            state_dir=self.state_dir,
            clock=self.clock,
            signer=self.signer,
            provider=self.provider,
            dkim=self.dkim,
            wishes=Wishes(
                rate=sending.rate,
                batch=sending.batch,
                connections=sending.connections,
                hold=sending.hold,
                burst=sending.burst,
                calls=sending.calls,
                daily_quota=sending.daily_quota,
            ),
            sandbox=self.settings.provider.sandbox,
        )

    def provider(self, name: str = "", send_name: str = "", stream: str = "") -> Provider:
        """The provider of the settings, or the one called `name`; see `provider_of`.

        Raises:
            UsageError: there is no such provider, or it lacks a setting or a key.
        """
        from newsletter.app.provider import provider_of

        return provider_of(
            self.settings, self.secrets, self.outbox, name=name, send_name=send_name, stream=stream
        )

    def dkim(self) -> DkimSigner | None:
        """What signs messages for SMTP, where `dkim_selector` is set.

        Raises:
            UsageError: the key is missing or can't be read.
        """
        from newsletter.app.provider import dkim_signer

        return dkim_signer(self.settings, self.secrets, self.home)


def open_workspace(start: Path | None = None) -> Workspace:
    """The newsletter of the current folder, or of `NEWSLETTER_HOME`.

    Raises:
        UsageError: its settings are wrong.
    """
    home = find_home(start or Path.cwd())
    return Workspace(home=home, settings=load_settings(home), secrets=Secrets(home))
