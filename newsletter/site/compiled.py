"""Where are templates between builds? In the cache, in the form in which Python runs them."""

from __future__ import annotations

import sqlite3

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket


class CompiledTemplates(BytecodeCache):
    """Templates as Jinja compiled them; Jinja itself looks whether one is still what it was compiled from."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill `bucket` where its template is kept."""
        found = self._db.execute("SELECT code FROM templates WHERE key = ?", (bucket.key,)).fetchone()
        if found:
            bucket.bytecode_from_string(found[0])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a template."""
        self._db.execute("REPLACE INTO templates VALUES (?, ?)", (bucket.key, bucket.bytecode_to_string()))
