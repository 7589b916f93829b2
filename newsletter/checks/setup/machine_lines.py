"""Is this machine fit to send: its store, its disk, its clock, who may read its secrets? Looked at without changing anything."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Final

from newsletter.checks.setup.line import Area, Line, Status
from newsletter.store.sqlite import APPLICATION_ID, migrations

_DISTRIBUTION: Final = "newsletter-toolkit"
# A requirement of an extra without any other condition, as the metadata of a distribution has it.
_EXTRA: Final = re.compile(r"(?P<name>[A-Za-z0-9._-]+)[^;]*; *extra *== *['\"](?P<extra>[a-z0-9-]+)['\"]")
_MB: Final = 1024**2
# What a send writes for one reader: the ledger's rows and their place in the log, measured with room to spare;
# the outbox keeps whole mails.
_LEDGER_BYTES: Final = 1500
_MAIL_BYTES: Final = 150_000
_LEAST_FREE: Final = 100 * _MB
_LARGE_LOG: Final = 256 * _MB
# Signatures of AWS and of webhooks hold for five minutes around their time.
_CLOCK_FAILS: Final = 300.0
_CLOCK_WARNS: Final = 30.0

_made = partial(Line, area=Area.MACHINE)


def judge_clock(dates: Mapping[str, tuple[str, datetime]], newest: datetime, now: datetime) -> Line:
    """Whether the time is right, by the answers of others and by what was written here before.

    Args:
        dates: of each server that answered, its `Date` header and our time when it came.
        newest: when the store, or what is installed, was last written.
        now: our time.
    """
    made = partial(_made, id="machine.clock")
    set_it = "set the clock by the network: timedatectl set-ntp true"
    if (newest - now).total_seconds() > 3600:
        return made(
            status=Status.FAIL,
            asked="this machine's clock",
            answer=f"it says {now:%Y-%m-%d %H:%M} UTC, and something here was written at {newest:%Y-%m-%d %H:%M}: it was set back",
            advice=set_it,
        )
    for who, (header, at) in dates.items():
        with suppress(ValueError, TypeError, IndexError):
            off = (at - parsedate_to_datetime(header)).total_seconds()
            return _judge_offset(made, who, off, set_it)
    return made(
        status=Status.OK,
        asked="this machine's clock",
        answer=f"{now:%Y-%m-%d %H:%M} UTC, later than anything written here; nobody else's was asked",
    )


def _judge_offset(made: Callable[..., Line], who: str, off: float, set_it: str) -> Line:
    asked = f"this machine's clock against that of {who}"
    # A Date header has whole seconds, and took a moment to come.
    way = "ahead" if off > 0 else "behind"
    if abs(off) >= _CLOCK_WARNS:
        status = Status.FAIL if abs(off) >= _CLOCK_FAILS else Status.WARN
        said = f"{abs(off):,.0f} seconds {way}; signatures and schedules depend on it"
        return made(status=status, asked=asked, answer=said, advice=set_it)
    return made(
        status=Status.OK, asked=asked, answer="the same, within a few seconds" if abs(off) > 2 else "the same"
    )


def judge_store(path: Path, seconds: float) -> list[Line]:
    """Lines about the store's file: whose it is, whether it is whole, its schema, its log, who holds it.

    Args:
        path: of the SQLite file.
        seconds: for reading all of it; a store that is larger is left unjudged.
    """
    made = partial(_made, id="machine.store", asked=f"the store {path}")
    if not path.exists():
        folder = next(above for above in path.absolute().parents if above.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            why = "can't be written" if folder.is_dir() else "is a file"
            advice = "give yourself permission there, or move what is in the way"
            return [made(status=Status.FAIL, answer=f"not there yet, and {folder} {why}", advice=advice)]
        return [made(status=Status.OK, answer="not there yet; the first command that needs it makes it")]
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1)
        ) as connection:
            return _judge_open_store(connection, path, seconds)
    except sqlite3.DatabaseError as error:
        code = (error.sqlite_errorcode or 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return [
                made(
                    status=Status.UNKNOWN,
                    answer="another process holds it",
                    advice="ask again when it is done",
                )
            ]
        if code == sqlite3.SQLITE_NOTADB:
            return [
                made(
                    status=Status.FAIL, answer="it is no database", advice="move it away and restore a backup"
                )
            ]
        if code == sqlite3.SQLITE_CANTOPEN:
            advice = "give yourself permission to read and write the file and its folder"
            return [made(status=Status.FAIL, answer="it can't be opened", advice=advice)]
        advice = _recover(path)
        if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL):
            # To read it, SQLite makes a file beside it: on a full disk a store that is whole can't be read.
            advice = f"where the disk is full, make room and ask again; else {advice}"
        return [made(status=Status.FAIL, answer=f"it can't be read: {error}", advice=advice)]


def _recover(path: Path) -> str:
    return f'stop what uses it and restore a backup, or save what is readable: sqlite3 "{path}" .recover'


def _judge_open_store(connection: sqlite3.Connection, path: Path, seconds: float) -> list[Line]:
    made = partial(_made, id="machine.store", asked=f"the store {path}")
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    newest = migrations()[-1][0]
    if owner != APPLICATION_ID and version:
        return [made(status=Status.FAIL, answer="it is another program's database", advice="move it away")]
    if version > newest:
        said = f"schema {version}; this newsletter knows up to {newest}"
        return [made(status=Status.FAIL, answer=said, advice="upgrade the newsletter toolkit")]
    stop = threading.Timer(seconds, connection.interrupt)
    stop.start()
    try:
        problems = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
    except sqlite3.OperationalError as error:
        if (error.sqlite_errorcode or 0) & 0xFF != sqlite3.SQLITE_INTERRUPT:
            raise
        size = path.stat().st_size // _MB
        answer = f"{size:,} MB, more than can be read in {seconds:g} seconds"
        advice = f'check it by hand: sqlite3 "{path}" "PRAGMA quick_check"'
        return [made(status=Status.UNKNOWN, answer=answer, advice=advice)]
    finally:
        stop.cancel()
    if problems != ["ok"]:
        return [made(status=Status.FAIL, answer=f"it is damaged: {problems[0]}", advice=_recover(path))]
    state = "" if version == newest else f", from schema {version} to {newest} at its next use"
    lines = [made(status=Status.OK, answer=f"whole{state}; {path.stat().st_size / _MB:,.1f} MB")]
    lines.append(_judge_log(path))
    lines.append(_judge_lock(path))
    return lines


def _judge_log(path: Path) -> Line:
    log = path.with_name(f"{path.name}-wal")
    size = log.stat().st_size if log.exists() else 0
    made = partial(_made, id="machine.log", asked=f"the store's log {log.name}")
    if size > _LARGE_LOG and size > path.stat().st_size:
        answer = (
            f"{size // _MB:,} MB: something reads the store for long and keeps the log from being folded in"
        )
        return made(status=Status.WARN, answer=answer, advice="end what reads it, a backup tool perhaps")
    return made(status=Status.OK, answer=f"{size / _MB:,.1f} MB")


def _judge_lock(path: Path) -> Line:
    """Whether the store can be written now: the lock is taken and given back, and nothing is written."""
    made = partial(_made, id="machine.lock", asked="the store's lock for writing")
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=1, isolation_level=None)
        ) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if (error.sqlite_errorcode or 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            answer = "another process has held it for more than a second"
            advice = f"see which: fuser -v {path}; a send, an import and the service hold it for moments only"
            return made(status=Status.WARN, answer=answer, advice=advice)
        advice = "give yourself permission to write the file and its folder"
        return made(status=Status.FAIL, answer=f"it can't be written: {error}", advice=advice)
    return made(status=Status.OK, answer="free")


def is_current(path: Path) -> bool:
    """Whether there is a store of ours with the schema of this version: then opening it changes nothing."""
    return _schema(path) == migrations()[-1][0]


def is_ours(path: Path) -> bool:
    """Whether there is a store of ours, of whichever version."""
    return _schema(path) is not None


def _schema(path: Path) -> int | None:
    """The version of the store's schema; None where there is no store of ours, or it can't be read."""
    with suppress(sqlite3.Error):
        if path.exists():
            with closing(
                sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1)
            ) as connection:
                (owner,) = connection.execute("PRAGMA application_id").fetchone()
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                return int(version) if owner == APPLICATION_ID else None
    return None


def count_active(path: Path) -> int:
    """How many people get an issue; 0 where that can't be read."""
    with suppress(sqlite3.Error):
        if path.exists():
            with closing(
                sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1)
            ) as connection:
                (count,) = connection.execute(
                    "SELECT count(*) FROM subscribers WHERE status = 'active'"
                ).fetchone()
                return int(count)
    return 0


def judge_permissions(private: Sequence[Path]) -> Line:
    """Whether others on this machine may read what is private: keys, `.env`, the store with its addresses."""
    made = partial(_made, id="machine.permissions", asked="who may read the keys and the store")
    open_ = []
    for path in private:
        with suppress(OSError):
            mode = path.stat().st_mode
            # A folder nobody else may enter keeps what is in it.
            sheltered = not path.parent.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH)
            if mode & (stat.S_IRGRP | stat.S_IROTH | stat.S_IWGRP | stat.S_IWOTH) and not sheltered:
                open_.append(path)
    if open_:
        answer = f"others on this machine may read {', '.join(path.name for path in open_)}"
        return made(status=Status.WARN, answer=answer, advice=f"chmod go= {' '.join(map(str, open_))}")
    return made(status=Status.OK, answer="you alone")


def judge_disk(folder: Path, audience: int, *, keeps_mails: bool) -> Line:
    """Whether a send to everybody fits on the disk.

    Args:
        folder: of the newsletter.
        audience: how many people get it.
        keeps_mails: whether each mail is written here, as the outbox does.
    """
    usage = shutil.disk_usage(folder)
    needed = audience * (_LEDGER_BYTES + (_MAIL_BYTES if keeps_mails else 0))
    made = partial(_made, id="machine.disk", asked=f"room on the disk of {folder}")
    free = usage.free // _MB
    advice = "make room first: a send stops on a full disk, and nothing is lost, but readers wait"
    if usage.free < needed or usage.free < _LEAST_FREE / 10:
        sends = f", and a send to {audience:,} writes some {needed // _MB + 1:,} MB" if audience else ""
        answer = f"{free:,} MB free{sends}"
        return made(status=Status.FAIL, answer=answer, advice=advice)
    if usage.free < max(2 * needed, _LEAST_FREE):
        return made(status=Status.WARN, answer=f"{free:,} MB free", advice=advice)
    return made(status=Status.OK, answer=f"{free:,} MB free")


def judge_python(missing: Sequence[str] | None = None) -> list[Line]:
    """What this runs on, and which extras aren't installed; `missing` stands in for looking."""
    version, system = platform.python_version(), f"{platform.system()} {platform.machine()}"
    lines = [
        _made(
            id="machine.python",
            status=Status.OK,
            asked="Python",
            answer=f"{version} on {system}, SQLite {sqlite3.sqlite_version}",
        )
    ]
    absent = missing_extras() if missing is None else list(missing)
    if absent:
        install = f'pip install "{_DISTRIBUTION}[{",".join(absent)}]"'
        lines.append(
            _made(
                id="machine.extras",
                status=Status.OK,
                asked="optional parts",
                answer=f"not installed: {', '.join(absent)}",
                advice=install,
                optional=True,
            )
        )
    return lines


def missing_extras() -> list[str]:
    """The extras of the package, but for that of its tests, that lack a requirement here."""
    try:
        wanted = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []
    absent = []
    for text in wanted:
        # What has further conditions is for other machines, perhaps.
        match = _EXTRA.fullmatch(text)
        if match is None or match["extra"] == "test":
            continue
        try:
            metadata.version(match["name"])
        except metadata.PackageNotFoundError:
            absent.append(match["extra"])
    return list(dict.fromkeys(absent))


def judge_time_zone(name: str, now: datetime) -> Line:
    """Which time schedules mean."""
    from zoneinfo import ZoneInfo

    local = now.astimezone(UTC if name == "UTC" else ZoneInfo(name))
    return _made(
        id="machine.timezone",
        status=Status.OK,
        asked="the time zone of schedules",
        answer=f"{name}, where it is {local:%H:%M}",
    )


def written_at(path: Path) -> datetime:
    """When the store was last written; where there is none, when this program was."""
    times = [Path(__file__).stat().st_mtime]
    for file in (path, path.with_name(f"{path.name}-wal")):
        with suppress(OSError):
            times.append(file.stat().st_mtime)
    return datetime.fromtimestamp(max(times), UTC)
