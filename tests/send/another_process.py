"""Goes on with a send as another process, or as another machine, would; says in JSON how it ended.

    python another_process.py '{"folder": …, "url": …, "machine": "", "locks": "", "lease": 120}'

`machine` is its host name; one with a name has locks of its own, too, in `locks`. `lease` is in seconds.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

if not __package__:  # run as a program
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from newsletter.errors import NewsletterError
from newsletter.send import engine, lease, run
from newsletter.send.run import Wishes
from newsletter.store.sqlite import SqliteDatabase
from tests.send.desk import make_desk, new_send, through_resend


def become(machine: str) -> None:
    """Another machine has another name, and another kernel."""
    socket.gethostname = lambda: machine
    lease._kernel = lambda: ""


def main() -> None:
    what: dict[str, Any] = json.loads(sys.argv[1])
    if what["machine"]:
        become(what["machine"])
    # Both modules have it by name.
    vars(engine)["LEASE_SECONDS"] = vars(run)["LEASE_SECONDS"] = what["lease"]
    vars(engine)["_LEASE_MARGIN"] = what["lease"] / 4
    folder = Path(what["folder"])
    with SqliteDatabase(folder / "newsletter.db") as db:
        provider = through_resend(what["url"], batch=5)
        desk = make_desk(folder, provider, db=db, wishes=Wishes(connections=1))
        desk.state_dir = Path(what["locks"] or folder)
        records = desk.ledger.sends()
        said: dict[str, Any]
        try:
            if records:
                ending = run.resume(desk, records[-1].id)
            else:
                ending = run.start(desk, new_send(provider="resend"))
            said = {"state": ending.state.value, **ending.tally.as_dict()}
        except NewsletterError as error:
            said = {"error": error.message, "hint": error.hint, "kind": type(error).__name__}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
