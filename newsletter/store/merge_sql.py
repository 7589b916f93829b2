"""The statements that stage rows and merge them into the list, for SQLite.

Every statement of a slice is bounded by `s.key > :after AND s.key <= :upto` and driven from the
staged side (CROSS JOIN fixes the order), so that it walks the list's index alongside the slice.
"""

from __future__ import annotations

from typing import Final

STAGE_PRAGMAS: Final = (
    "PRAGMA stage.journal_mode = OFF",
    "PRAGMA stage.synchronous = OFF",
    "PRAGMA main.journal_mode = OFF",
    "PRAGMA main.synchronous = OFF",
    "PRAGMA main.cache_size = -16000",
    "PRAGMA stage.cache_size = -16000",
)

STAGE_TABLES: Final = (
    "CREATE TABLE main.raw (key TEXT, email TEXT, name TEXT, status TEXT, tags TEXT, metadata TEXT, created_at TEXT)",
    (
        "CREATE TABLE stage.rows (key TEXT PRIMARY KEY, email TEXT, name TEXT, status TEXT, tags TEXT, metadata TEXT,"
        " created_at TEXT, repeats INTEGER NOT NULL) WITHOUT ROWID"
    ),
    "CREATE TABLE stage.facts (rows INTEGER, people INTEGER, has_tags INTEGER, has_status INTEGER)",
)

STAGE_ROW: Final = "INSERT INTO main.raw VALUES (?, ?, ?, ?, ?, ?, ?)"

_LEFT: Final = "('unsubscribed', 'bounced', 'complained')"

# Repeats of an address are one person: the later row wins where it says something, tags are joined,
# the earlier date stays, and who left in any row has left.
SORT_STAGE: Final = f"""
INSERT INTO stage.rows
SELECT key, nullif(email, ''), nullif(name, ''), nullif(status, ''), nullif(tags, ''), nullif(metadata, ''),
    nullif(created_at, ''), 0
FROM main.raw WHERE true ORDER BY key, rowid
ON CONFLICT (key) DO UPDATE SET
    name = coalesce(excluded.name, name),
    status = CASE
        WHEN coalesce(status, :status) IN {_LEFT} THEN status
        WHEN coalesce(excluded.status, :status) IN {_LEFT} THEN coalesce(excluded.status, :status)
        WHEN 'active' IN (coalesce(status, :status), coalesce(excluded.status, :status)) THEN 'active'
        ELSE status END,
    tags = CASE WHEN tags IS NULL OR excluded.tags IS NULL THEN coalesce(tags, excluded.tags) ELSE
        (SELECT json_group_array(value) FROM
            (SELECT value FROM json_each(tags) UNION SELECT value FROM json_each(excluded.tags))) END,
    metadata = CASE WHEN metadata IS NULL OR excluded.metadata IS NULL THEN coalesce(metadata, excluded.metadata)
        ELSE json_patch(metadata, excluded.metadata) END,
    created_at = CASE WHEN created_at IS NULL OR excluded.created_at IS NULL
        THEN coalesce(created_at, excluded.created_at) ELSE min(created_at, excluded.created_at) END,
    repeats = repeats + 1
"""

COUNT_STAGE: Final = "SELECT coalesce(sum(repeats + 1), 0), count(*) FROM stage.rows"

# NORMAL: no fsync while the lock is held, but one whenever the log starts anew, hence its size; the
# import's last commit is FULL and takes all with it.
MERGE_PRAGMAS: Final = (
    "PRAGMA main.synchronous = NORMAL",
    "PRAGMA main.cache_size = -16000",
    "PRAGMA main.wal_autocheckpoint = 8000",
    "PRAGMA temp_store = MEMORY",
)

MERGE_TABLES: Final = (
    "CREATE TEMP TABLE known (key TEXT PRIMARY KEY, id INTEGER, outcome TEXT NOT NULL) WITHOUT ROWID",
)

_SLICE: Final = "s.key > :after AND s.key <= :upto"
_STATUS: Final = "coalesce(s.status, :status)"
_TAGS: Final = "coalesce(s.tags, :tags)"

SLICE_END: Final = """
SELECT max(key), count(*), sum(repeats)
FROM (SELECT key, repeats FROM stage.rows WHERE key > :after ORDER BY key LIMIT :size)
"""

ANYONE_IN_RANGE: Final = (
    "SELECT EXISTS (SELECT 1 FROM main.subscribers WHERE match_key > :after AND match_key <= :upto)"
)

CLASSIFY_KNOWN: Final = f"""
INSERT INTO temp.known
SELECT s.key, b.id, CASE
    WHEN b.status IN {_LEFT} THEN CASE WHEN {_STATUS} IN {_LEFT} THEN 'unchanged' ELSE 'suppressed' END
    WHEN {_STATUS} IN {_LEFT} THEN 'leaves'
    WHEN b.status = 'pending' AND {_STATUS} = 'active' THEN 'confirmed'
    WHEN (s.name IS NOT NULL AND s.name <> b.name)
        OR s.created_at < b.created_at
        OR (s.metadata IS NOT NULL AND json_patch(b.metadata, s.metadata) <> json(b.metadata))
        OR EXISTS (SELECT 1 FROM json_each({_TAGS}) t WHERE NOT EXISTS
            (SELECT 1 FROM main.subscriber_tags x WHERE x.subscriber_id = b.id AND x.tag = t.value))
    THEN 'updated' ELSE 'unchanged' END
FROM stage.rows s CROSS JOIN main.subscribers b ON b.match_key = s.key WHERE {_SLICE}
"""

CLASSIFY_ERASED: Final = f"""
INSERT INTO temp.known
SELECT s.key, NULL, CASE WHEN {_STATUS} IN {_LEFT} THEN 'unchanged' ELSE 'suppressed' END
FROM stage.rows s WHERE {_SLICE}
    AND NOT EXISTS (SELECT 1 FROM temp.known k WHERE k.key = s.key)
    AND EXISTS (SELECT 1 FROM main.suppressions p WHERE p.address_hmac = address_hmac(s.key))
"""

COUNT_KNOWN: Final = "SELECT outcome, count(*) FROM temp.known GROUP BY outcome"

COUNT_LEAVING: Final = f"""
SELECT count(*) FROM stage.rows s WHERE {_SLICE} AND {_STATUS} IN {_LEFT}
    AND NOT EXISTS (SELECT 1 FROM temp.known k WHERE k.key = s.key)
"""

INSERT_ALL: Final = f"""
INSERT INTO main.subscribers (email, match_key, name, status, metadata, created_at, import_id)
SELECT coalesce(s.email, s.key), s.key, coalesce(s.name, ''), {_STATUS}, coalesce(s.metadata, '{{}}'),
    coalesce(s.created_at, :at), :import_id
FROM stage.rows s WHERE {_SLICE}
"""
INSERT_NEW: Final = f"{INSERT_ALL} AND NOT EXISTS (SELECT 1 FROM temp.known k WHERE k.key = s.key)"

# An upsert rather than UPDATE … FROM, whose plan may scan the list once per row.
UPDATE_KNOWN: Final = f"""
INSERT INTO main.subscribers (email, match_key, name, status, metadata, created_at, updated_at)
SELECT b.email, b.match_key, coalesce(s.name, b.name),
    CASE WHEN {_STATUS} = 'pending' THEN b.status ELSE {_STATUS} END,
    CASE WHEN s.metadata IS NULL THEN b.metadata ELSE json_patch(b.metadata, s.metadata) END,
    min(b.created_at, coalesce(s.created_at, b.created_at)), :at
FROM temp.known k CROSS JOIN stage.rows s ON s.key = k.key CROSS JOIN main.subscribers b ON b.id = k.id
WHERE k.outcome IN ('updated', 'confirmed', 'leaves')
ON CONFLICT (match_key) DO UPDATE SET name = excluded.name, status = excluded.status,
    metadata = excluded.metadata, created_at = excluded.created_at, updated_at = excluded.updated_at
"""

# People the import brings are covered by their import_id; whoever it moves to another status is told apart here.
RECORD_CONSENT: Final = f"""
INSERT INTO main.consent_events (subscriber_id, action, at, source, actor)
SELECT k.id, CASE k.outcome WHEN 'leaves' THEN {_STATUS} ELSE 'confirmed' END, :at, :source, 'operator'
FROM temp.known k CROSS JOIN stage.rows s ON s.key = k.key WHERE k.outcome IN ('confirmed', 'leaves')
"""

SUPPRESS: Final = f"""
INSERT INTO main.suppressions (address_hmac, reason, created_at)
SELECT address_hmac(s.key), {_STATUS}, :at FROM stage.rows s WHERE {_SLICE} AND {_STATUS} IN {_LEFT}
ON CONFLICT DO NOTHING
"""

ADD_TAGS: Final = f"""
INSERT INTO main.subscriber_tags (subscriber_id, tag)
SELECT b.id, t.value
FROM stage.rows s CROSS JOIN main.subscribers b ON b.match_key = s.key CROSS JOIN json_each({_TAGS}) t
WHERE {_SLICE} AND NOT EXISTS
    (SELECT 1 FROM temp.known k WHERE k.key = s.key AND k.outcome IN ('suppressed', 'unchanged'))
ON CONFLICT DO NOTHING
"""

RECORD_PROGRESS: Final = """
UPDATE main.imports SET merged_to = :upto, added = added + :added, updated = updated + :updated,
    unchanged = unchanged + :unchanged, suppressed = suppressed + :suppressed WHERE id = :import_id
"""
