"""`newsletter keys …`: the secret keys that links are made with, and the keys of the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from newsletter.app import Workspace, open_workspace
from newsletter.cli.output import counted, print_json
from newsletter.cli.terminal_text import printable
from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.store.api_keys import Scope
    from newsletter.store.sqlite import SqliteDatabase

app = typer.Typer(
    name="keys",
    help="Rotate the secret key of links, and give keys to sites that use the API.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_api = typer.Typer(
    name="api",
    help="Give out, list and revoke keys of the API.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(_api)

_JSON = typer.Option(False, "--json", help="Print JSON, for scripts.")


@app.command("list")
def list_(json_: bool = _JSON) -> None:
    """Show which secret keys there are, newest first, and what each is for; never the keys themselves.

    Example: newsletter keys list
    """
    from newsletter.audience.keys import KEY_VARIABLE, key_id
    from newsletter.audience.suppression import bound_to, fingerprint

    workspace = open_workspace()
    with workspace.open_database() as database:
        bound = bound_to(database)
    keys = [
        {"id": key_id(key).hex(), "newest": at == 0, "suppressions": fingerprint(key) == bound}
        for at, key in enumerate(workspace.keys)
    ]
    if json_:
        print_json(keys)
        return
    for key in keys:
        roles = [
            "makes all links" if key["newest"] else "reads the links it made",
            *(["recognises who left"] if key["suppressions"] else []),
        ]
        print(f"{key['id']}  {', '.join(roles)}")
    place = KEY_VARIABLE if _named(workspace) else str(workspace.key_file)
    print(f"kept in {place}; back it up, none of them can be done without")


@app.command()
def rotate(json_: bool = _JSON) -> None:
    """Make a new secret key. Links in mails already sent go on working, and so does the list of who left.

    The old keys are kept for that. Links that open what is kept about a person, mailed within the last
    hour, end with the old key, and forms that are open in browsers are shown once more.

    Example: newsletter keys rotate
    """
    from newsletter.audience.keys import KEY_VARIABLE, fresh_key, key_id
    from newsletter.audience.keys import rotate as rotate_kept

    workspace = open_workspace()
    # A ring that isn't this store's must not be built upon.
    workspace.open_database().close()
    if _named(workspace):
        key = fresh_key(workspace.keys)
        number = key_id(key.encode()).hex()
        if json_:
            print_json({"id": number, "keys": 1 + len(workspace.keys), "put_before": key})
            return
        print(f"{KEY_VARIABLE} is yours to change. Put this key and a comma before its present value:")
        print(f"\n  {key},\n")
        print("Then restart newsletter serve and newsletter worker.")
        return
    ring = rotate_kept(workspace.key_file)
    number = key_id(ring[0]).hex()
    if json_:
        print_json({"id": number, "keys": len(ring), "put_before": None})
        return
    print(f"{number} makes all links from now on; {counted(len(ring), 'key')} in {workspace.key_file}")
    print("back the file up: links in mails depend on every key in it")


@_api.command("create")
def create(
    name: str = typer.Option(
        ..., "--name", metavar="NAME", help="What the key is for, such as the site's name."
    ),
    scope: str = typer.Option(
        ...,
        "--scope",
        metavar="SCOPES",
        help="subscribers:read, subscribers:write, subscribers:import; commas between them.",
    ),
    json_: bool = _JSON,
) -> None:
    """Make a key for the API. It is shown this once, and kept as a hash.

    Example: newsletter keys api create --name "example.com" --scope subscribers:read,subscribers:write
    """
    from newsletter.store import api_keys

    scopes = _scopes(scope)
    name = " ".join(name.encode("utf-8", "replace").decode().split())[:100]
    if not name:
        raise UsageError("a key needs a name", hint='say what it is for: --name "example.com"')
    with _store() as (workspace, database), database.write() as tx:
        number, key = api_keys.create(tx, name, scopes, workspace.clock.now())
    if json_:
        print_json({"id": number, "key": key, "name": name, "scopes": sorted(scopes)})
        return
    print(f"{key}\n\nThis is shown once. Sent as `Authorization: Bearer {key[:8]}…`, it may:")
    for one in sorted(scopes):
        print(f"  {one}")


@_api.command("list")
def list_api(json_: bool = _JSON) -> None:
    """List the API's keys: what for, what they may do, when they were last used.

    Example: newsletter keys api list
    """
    from newsletter.store import api_keys

    with _store() as (_, database):
        keys = api_keys.all_keys(database)
    if json_:
        print_json(
            [
                {
                    "id": key.id,
                    "name": key.name,
                    "hint": key.hint,
                    "scopes": sorted(key.scopes),
                    "created_at": key.created_at,
                    "last_used": key.last_used_at or None,
                    "revoked_at": key.revoked_at or None,
                }
                for key in keys
            ]
        )
        return
    for key in keys:
        used = f"used {key.last_used_at}" if key.last_used_at else "never used"
        state = f"revoked {key.revoked_at[:10]}" if key.revoked_at else used
        print(f"{key.id:>4}  {key.hint}…  {printable(key.name)}  [{', '.join(sorted(key.scopes))}]  {state}")
    if not keys:
        print("There are no keys: newsletter keys api create --name NAME --scope subscribers:write")


@_api.command("revoke")
def revoke(number: int = typer.Argument(..., metavar="NUMBER", help="As `keys api list` shows it.")) -> None:
    """Make a key of the API useless, at once.

    Example: newsletter keys api revoke 3
    """
    from newsletter.store import api_keys

    with _store() as (workspace, database), database.write() as tx:
        done = api_keys.revoke(tx, number, workspace.clock.now())
    if not done:
        raise UsageError(f"there is no key {number} that works", hint="newsletter keys api list shows them")
    print(f"key {number} is revoked")


@contextmanager
def _store() -> Iterator[tuple[Workspace, SqliteDatabase]]:
    workspace = open_workspace()
    with workspace.open_database() as database:
        yield workspace, database


def _named(workspace: Workspace) -> bool:
    from newsletter.audience.keys import KEY_VARIABLE

    return workspace.secrets.get(KEY_VARIABLE) is not None


def _scopes(text: str) -> frozenset[Scope]:
    from newsletter.content.suggest import did_you_mean
    from newsletter.store.api_keys import Scope

    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in list(Scope):
            hint = did_you_mean(name, list(Scope)) or f"it is one of {', '.join(Scope)}"
            raise UsageError(f"there is no scope `{name}`", hint=hint)
    if not names:
        raise UsageError("a key that may do nothing is of no use", hint=f"name one of {', '.join(Scope)}")
    return frozenset(Scope(name) for name in names)
