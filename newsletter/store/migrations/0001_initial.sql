-- The first schema. Times are UTC in ISO 8601 with a trailing Z, to the millisecond, so that they sort as text.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE subscribers (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,   -- never reused: tokens in old mails carry it
    email      TEXT NOT NULL,                       -- verbatim, as the person wrote it
    match_key  TEXT NOT NULL UNIQUE,                -- NFC, IDNA domain, casefolded local part
    name       TEXT NOT NULL DEFAULT '',
    status     TEXT NOT NULL CHECK (status IN ('pending', 'active', 'unsubscribed', 'bounced', 'complained')),
    metadata   TEXT NOT NULL DEFAULT '{}',          -- a JSON object of strings
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL DEFAULT '',            -- of the last change; empty while there was none
    import_id  INTEGER                              -- the import that brought the person; NULL for who joined alone
);

CREATE TABLE subscriber_tags (
    subscriber_id INTEGER NOT NULL REFERENCES subscribers (id) ON DELETE CASCADE,
    tag           TEXT NOT NULL,
    PRIMARY KEY (subscriber_id, tag)
) WITHOUT ROWID;
CREATE INDEX subscriber_tags_by_tag ON subscriber_tags (tag, subscriber_id);

-- Files brought in by the operator. A row appears once the whole file is validated and staged; from then on
-- the import is finished whatever happens: a merge that was cut short goes on where merged_to says.
-- For the people it brought, the row is also the first entry of their consent history.
CREATE TABLE imports (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    file_name   TEXT NOT NULL,
    sha256      TEXT NOT NULL,
    started_at  TEXT NOT NULL,
    finished_at TEXT NOT NULL DEFAULT '',           -- empty while it is being merged
    staged_file TEXT NOT NULL,                      -- beside the store, deleted when finished
    status      TEXT NOT NULL,                      -- of the rows that name none themselves
    tags        TEXT NOT NULL,                      -- a JSON array, given to every row
    attestation TEXT NOT NULL DEFAULT '',           -- what the operator said about consent
    merged_to   TEXT NOT NULL DEFAULT '',           -- match_key of the last row merged; empty once finished
    added       INTEGER NOT NULL DEFAULT 0,
    updated     INTEGER NOT NULL DEFAULT 0,
    unchanged   INTEGER NOT NULL DEFAULT 0,
    suppressed  INTEGER NOT NULL DEFAULT 0,
    rejected    INTEGER NOT NULL DEFAULT 0,
    errors_file TEXT NOT NULL DEFAULT ''
);

-- Append-only proof of what each person agreed to or withdrew (GDPR Art. 7(1)).
CREATE TABLE consent_events (
    id            INTEGER PRIMARY KEY,
    subscriber_id INTEGER,                          -- kept after erasure as a bare number
    action        TEXT NOT NULL,                    -- added | confirmed | unsubscribed | resubscribed | erased | …
    at            TEXT NOT NULL,
    source        TEXT NOT NULL DEFAULT '',         -- URL, 'cli', or 'import:<sha256 of the file>'
    actor         TEXT NOT NULL DEFAULT '',         -- subscriber | operator | provider
    ip            TEXT NOT NULL DEFAULT '',
    user_agent    TEXT NOT NULL DEFAULT '',
    form_id       TEXT NOT NULL DEFAULT '',
    text_version  TEXT NOT NULL DEFAULT '',         -- hash of the consent text shown
    detail        TEXT NOT NULL DEFAULT ''
);
CREATE INDEX consent_events_by_subscriber ON consent_events (subscriber_id);

-- Addresses that must not be mailed, as HMAC-SHA256(pepper, match_key); the pepper is not in this file.
-- Whoever inserts here sets the subscriber's status in the same transaction, so a claim only reads the status.
CREATE TABLE suppressions (
    address_hmac BLOB PRIMARY KEY,
    reason       TEXT NOT NULL,                     -- unsubscribed | bounced | complained | erased | manual
    created_at   TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE sends (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    slug         TEXT NOT NULL,
    number       INTEGER NOT NULL,
    title        TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('freezing', 'sending', 'paused', 'sent', 'cancelled')),
    content      BLOB NOT NULL,                     -- the compiled issue, frozen
    content_hash TEXT NOT NULL,
    provider     TEXT NOT NULL,
    tag          TEXT NOT NULL DEFAULT '',          -- the segment, empty for everyone
    frozen_to    INTEGER NOT NULL DEFAULT 0,        -- highest subscriber id written to deliveries so far
    audience     INTEGER NOT NULL DEFAULT 0,        -- deliveries frozen
    epoch        INTEGER NOT NULL DEFAULT 0,        -- fencing token: grows each time a process takes the send over
    lease_owner  TEXT NOT NULL DEFAULT '',
    lease_until  TEXT NOT NULL DEFAULT '',
    note         TEXT NOT NULL DEFAULT '',          -- why it is paused
    created_at   TEXT NOT NULL,
    finished_at  TEXT NOT NULL DEFAULT ''
);
CREATE INDEX sends_by_slug ON sends (slug);

CREATE TABLE batches (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    send_id       INTEGER NOT NULL REFERENCES sends (id),
    epoch         INTEGER NOT NULL,
    key           TEXT NOT NULL,                    -- the idempotency key
    first_claimed_at TEXT NOT NULL,                 -- when the key was first used: its lifetime counts from here
    body_hash     TEXT NOT NULL DEFAULT '',         -- a replay must be byte-identical
    size          INTEGER NOT NULL,
    provider_ids  TEXT NOT NULL DEFAULT '',         -- newline-separated, in the order of subscriber ids, for a fully accepted batch
    finished_at   TEXT NOT NULL DEFAULT ''
);
CREATE INDEX batches_by_send ON batches (send_id);

CREATE TABLE deliveries (
    send_id       INTEGER NOT NULL,
    subscriber_id INTEGER NOT NULL,
    state         INTEGER NOT NULL DEFAULT 0,       -- DeliveryState
    batch_id      INTEGER,
    attempts      INTEGER NOT NULL DEFAULT 0,
    retry_at      TEXT,
    provider_id   TEXT,                             -- where it isn't on the batch
    reason        TEXT,
    PRIMARY KEY (send_id, subscriber_id)
) WITHOUT ROWID;
-- Who is to be tried again, and when: the few deferred ones among a million settled.
CREATE INDEX deliveries_deferred ON deliveries (send_id, retry_at) WHERE state = 4;

-- What providers and readers reported, each once.
CREATE TABLE events (
    id            INTEGER PRIMARY KEY,
    provider      TEXT NOT NULL,
    event_id      TEXT NOT NULL,
    type          TEXT NOT NULL,
    send_id       INTEGER,
    subscriber_id INTEGER,
    at            TEXT NOT NULL,
    payload       TEXT NOT NULL DEFAULT '',
    UNIQUE (provider, event_id)
);

CREATE TABLE schedules (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    slug       TEXT NOT NULL,
    due_at     TEXT NOT NULL,
    zone       TEXT NOT NULL DEFAULT '',
    tag        TEXT NOT NULL DEFAULT '',
    state      TEXT NOT NULL DEFAULT 'waiting',
    created_at TEXT NOT NULL
);
