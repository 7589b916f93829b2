"""The one place that turns Settings into a store, a provider, a renderer and a clock."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import SecretStr

from newsletter.audience.keys import KEY_FILE, KEY_VARIABLE, Ring, kept_ring, ring_from_variable
from newsletter.clock import Clock, SystemClock
from newsletter.config import CONFIG_NAME, ProviderSettings, Secrets, Settings, find_home, load_settings
from newsletter.errors import UsageError

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

PACKAGE = Path(__file__).parent
_AWS_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def shipped(name: str) -> Path:
    """A folder shipped with the package: `templates` or `issues`, inside the wheel or beside the package in a checkout."""
    inside = PACKAGE / f"_{name}"
    return inside if inside.is_dir() else PACKAGE.parent / name


@dataclass
class Workspace:
    """One newsletter's folder, its settings and its state.

    Attributes:
        home: the folder with the settings and `issues/`.
        settings: what they say.
        secrets: keys from the environment.
        clock: what time it is.
    """

    home: Path
    settings: Settings
    secrets: Secrets
    clock: Clock = field(default_factory=SystemClock)
    _signer: tuple[tuple[int, int], TokenSigner] | None = field(default=None, repr=False)

    @property
    def state_dir(self) -> Path:
        """`.newsletter`: the store, the outbox, the secret key, the cache."""
        return self.home / ".newsletter"

    @property
    def database_path(self) -> Path:
        """The SQLite file."""
        return self.state_dir / "newsletter.db"

    @property
    def outbox(self) -> Path:
        """Where the outbox provider writes `<send>/*.eml`."""
        return self.state_dir / "outbox"

    @property
    def served_site(self) -> Path | None:
        """The built site that the service shows as well; None where it shows none.

        Raises:
            UsageError: `[web] site` names no folder, or one with more in it than a site.
        """
        name = self.settings.web.site
        if not name:
            return None
        folder = self.home / name
        if not folder.is_dir():
            raise UsageError(
                f"`web.site` names {folder}, which is not a folder",
                hint=f"build the site: newsletter site build --out {name}",
            )
        if self.home.resolve().is_relative_to(folder.resolve()):
            raise UsageError(
                f"`web.site` names {folder}, which holds the newsletter itself: anybody could read its settings and lists",
                hint='name the folder of the built site alone, such as site = "site"',
            )
        return folder

    @cached_property
    def spool(self) -> Spool:
        """Where wishes to leave wait while the store can't be written."""
        from newsletter.audience.spool import Spool

        return Spool(self.state_dir / "spool")

    def off_in(self, path: Path) -> tuple[str, ...]:
        """The codes of findings that nobody wants to hear of in a file."""
        try:
            named = path.resolve().relative_to(self.home.resolve()).as_posix()
        except (OSError, ValueError):
            named = path.name
        return self.settings.checks.off_in(named)

    @property
    def settings_file(self) -> Path | None:
        """The file of the settings; None where the newsletter has none."""
        return next(
            (path for name in (CONFIG_NAME, "pyproject.toml") if (path := self.home / name).is_file()), None
        )

    @property
    def issues_dir(self) -> Path:
        """Where issues are written."""
        return self.home / "issues"

    @cached_property
    def template_dirs(self) -> tuple[Path, ...]:
        """Where templates are looked for: the user's own first, then ours."""
        own = self.home / "templates"
        return (own, shipped("templates")) if own.is_dir() else (shipped("templates"),)

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

    def issue_files(self) -> list[Path]:
        """The issue files of this newsletter, by name; guides and other folders aside.

        Raises:
            OSError: the folder can't be read, which is not the same as an empty one.
        """
        try:
            entries = list(self.issues_dir.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(p for p in entries if p.suffix == ".md" and re.match(r"\d", p.name))

    def sent_slugs(self) -> frozenset[str]:
        """Slugs of the issues that went out to people; nothing is made where there is no store yet.

        Raises:
            StoreError: see `open_database`.
        """
        from newsletter.store.sends import SendLedger

        if not self.database_path.is_file():
            return frozenset()
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

    def find_issue(self, name: str) -> Path:
        """The file an author means by a path, a number (`2`, `002`) or a slug.

        Raises:
            UsageError: there is no such issue, or a number fits several.
        """
        for path in (Path(name), self.home / name):
            if path.is_file():
                return path
        files = self.issue_files()
        if name.isascii() and name.isdigit():
            matches = [p for p in files if int(re.match(r"\d+", p.name)[0]) == int(name)]  # type: ignore[index]
        else:
            from newsletter.checks.across import read_claims
            from newsletter.content.front_matter import slug_of_file

            matches = [
                p for p in files if name in (p.stem, slug_of_file(p.name, -1), *read_claims(p).slugs[:1])
            ]
        if len(matches) == 1:
            return matches[0]
        if matches:
            names = ", ".join(p.name for p in matches)
            raise UsageError(f"`{name}` fits several issues: {names}", hint="name the file")
        known = ", ".join(p.name for p in files[-5:]) or "none yet"
        raise UsageError(
            f"there is no issue `{name}`",
            hint=f'issues in {self.issues_dir}: {known}; make one with newsletter new "Title"',
        )

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
        """The provider of the settings, or the one called `name`; `stream` stands in for that of the settings.

        One that is not the settings' own is reached at its default address and region: what `[provider]` says
        is about another, and this one's key would go to a stranger.

        Raises:
            UsageError: there is no such provider, or it lacks a setting or a key.
        """
        from newsletter.providers.base import ProviderOptions
        from newsletter.providers.registry import make_provider

        table = self.settings.provider
        name = name or table.name
        if name != table.name:
            table = ProviderSettings(name=name, domain=table.domain, sandbox=table.sandbox)
        return make_provider(
            ProviderOptions(
                name=name,
                base_url=table.base_url,
                host=table.host,
                port=table.port,
                username=table.username,
                starttls=table.starttls,
                tls=table.tls,
                region=table.region,
                domain=table.domain or self.settings.publication.from_email.rpartition("@")[2],
                stream=stream or table.stream,
                sandbox=table.sandbox,
                secret=self._provider_secret(name),
                outbox_dir=self.outbox,
                send_name=send_name,
            )
        )

    def _provider_secret(self, name: str) -> SecretStr | None:
        """The key of a provider; for Amazon SES also from where AWS's own tools read it."""
        variable = "NEWSLETTER_SMTP_PASSWORD" if name == "smtp" else f"NEWSLETTER_{name.upper()}_API_KEY"
        secret = self.secrets.get(variable)
        if secret is not None or name != "ses":
            return secret
        parts = [self.secrets.get(part) for part in _AWS_VARIABLES]
        if parts[0] is None or parts[1] is None:
            return None
        return SecretStr(":".join(part.get_secret_value() for part in parts if part is not None))

    def dkim(self) -> DkimSigner | None:
        """What signs messages for SMTP, where `dkim_selector` is set; providers with an API sign themselves.

        Raises:
            UsageError: the key is missing or can't be read.
        """
        table = self.settings.provider
        if not table.dkim_selector:
            return None
        from newsletter.render.dkim import DkimSigner

        key = self.secrets.get("NEWSLETTER_DKIM_PRIVATE_KEY")
        if key is None:
            raise UsageError(
                "`provider.dkim_selector` is set but NEWSLETTER_DKIM_PRIVATE_KEY isn't",
                hint="put the private key, in PEM or as the path of a PEM file, into the environment or .env",
            )
        domain = table.dkim_domain or self.settings.publication.from_email.rpartition("@")[2]
        pem = key.get_secret_value()
        if "-----BEGIN" not in pem:
            try:
                pem = (self.home / Path(pem).expanduser()).read_text("ascii")
            except (OSError, UnicodeDecodeError):
                # The value itself stays unsaid: it may be the key, only mangled.
                raise UsageError(
                    "NEWSLETTER_DKIM_PRIVATE_KEY is neither a PEM key nor the path of a readable PEM file"
                ) from None
        return DkimSigner(
            selector=table.dkim_selector, domain=domain, private_key_pem=pem.replace("\\n", "\n")
        )


def open_workspace(start: Path | None = None) -> Workspace:
    """The newsletter of the current folder, or of `NEWSLETTER_HOME`.

    Raises:
        UsageError: its settings are wrong.
    """
    home = find_home(start or Path.cwd())
    return Workspace(home=home, settings=load_settings(home), secrets=Secrets(home))
