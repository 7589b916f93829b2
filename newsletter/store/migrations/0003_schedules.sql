-- What is to be sent at its hour. The content is frozen here; the audience only when the hour comes.
-- Nothing ever wrote to the table of the first schema.

DROP TABLE schedules;

CREATE TABLE schedules (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    slug         TEXT NOT NULL,
    number       INTEGER NOT NULL,
    title        TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('waiting', 'held', 'begun', 'cancelled')),
    due_at       TEXT NOT NULL,
    zone         TEXT NOT NULL,                     -- the zone it was said in: an IANA key, UTC, or an offset
    content      BLOB NOT NULL,                     -- the compiled issue, frozen
    content_hash TEXT NOT NULL,
    source       TEXT NOT NULL,                     -- the issue's file, as seen from the newsletter's folder
    source_hash  TEXT NOT NULL,                     -- SHA-256 of that file when it was scheduled
    provider     TEXT NOT NULL,
    tag          TEXT NOT NULL DEFAULT '',
    sandbox      INTEGER NOT NULL DEFAULT 0,        -- scheduled to be checked by the provider, not delivered
    audience     INTEGER NOT NULL,                  -- how many it would have reached when it was scheduled
    after_send   INTEGER NOT NULL DEFAULT 0,        -- the last send there was then: a later one came in between
    send_id      INTEGER,                           -- the send that came of it
    tries        INTEGER NOT NULL DEFAULT 0,        -- how often the send was put off by itself
    retry_at     TEXT NOT NULL DEFAULT '',          -- when a send that was put off is gone on with; empty for never
    note         TEXT NOT NULL DEFAULT '',          -- why it is held
    hint         TEXT NOT NULL DEFAULT '',          -- what to do about that
    created_at   TEXT NOT NULL
);
-- One issue is scheduled once.
CREATE UNIQUE INDEX schedules_open ON schedules (slug) WHERE state IN ('waiting', 'held');
CREATE INDEX schedules_begun ON schedules (send_id) WHERE state = 'begun';
