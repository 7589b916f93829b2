-- Joining by a form: who asked, who was sent which link, the single mails that follow, and what was let through lately.

-- The mail whose link was followed, for proof.
ALTER TABLE consent_events ADD COLUMN message_id TEXT NOT NULL DEFAULT '';

-- The words people agreed to; consent_events.text_version names one of these.
CREATE TABLE consent_texts (
    version  TEXT PRIMARY KEY,                      -- SHA-256 of the text
    text     TEXT NOT NULL,
    first_at TEXT NOT NULL
) WITHOUT ROWID;

-- What forms brought in, written down before anybody looks whether the address is known:
-- so the form's answer takes as long for one who is on the list as for one who isn't.
CREATE TABLE join_requests (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    email        TEXT NOT NULL,
    match_key    TEXT NOT NULL,
    at           TEXT NOT NULL,
    source       TEXT NOT NULL,
    ip           TEXT NOT NULL,
    user_agent   TEXT NOT NULL,
    form_id      TEXT NOT NULL,
    text_version TEXT NOT NULL,
    disposable   INTEGER NOT NULL,                  -- an address made to be thrown away
    held_back    TEXT NOT NULL                      -- the limit it is over, or why it isn't a person's; empty for none
);

-- Who asked to join and has not confirmed yet. Somebody who left stays so until the press.
CREATE TABLE joinings (
    subscriber_id INTEGER PRIMARY KEY REFERENCES subscribers (id) ON DELETE CASCADE,
    event_id      INTEGER NOT NULL,                 -- the latest request in the consent record: leaving after it voids its links
    text_version  TEXT NOT NULL,
    form_id       TEXT NOT NULL,
    made_here     INTEGER NOT NULL,                 -- the request put the person on the list; its end takes them off again
    had_left      INTEGER NOT NULL,                 -- is not reminded
    requested_at  TEXT NOT NULL,
    expires_at    TEXT NOT NULL,
    reminded_at   TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX joinings_by_expiry ON joinings (expires_at);

-- Links that were mailed; the token itself is in the mail alone.
CREATE TABLE confirmations (
    token_hash    BLOB PRIMARY KEY,                 -- SHA-256
    subscriber_id INTEGER NOT NULL REFERENCES subscribers (id) ON DELETE CASCADE,
    event_id      INTEGER NOT NULL,
    text_version  TEXT NOT NULL,
    form_id       TEXT NOT NULL,
    message_id    TEXT NOT NULL,
    expires_at    TEXT NOT NULL,
    spent_at      TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX confirmations_by_subscriber ON confirmations (subscriber_id);
CREATE INDEX confirmations_by_expiry ON confirmations (expires_at);

-- Mails to one person each, written down together with what causes them.
CREATE TABLE outgoing (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    kind          TEXT NOT NULL,                    -- confirmation | reminder | already | welcome | preferences
    subscriber_id INTEGER NOT NULL REFERENCES subscribers (id) ON DELETE CASCADE,
    key           TEXT NOT NULL UNIQUE,             -- the delivery id; Message-ID begins with it
    state         TEXT NOT NULL DEFAULT 'waiting'
                  CHECK (state IN ('waiting', 'claimed', 'sent', 'refused', 'unknown', 'dropped')),
    created_at    TEXT NOT NULL,
    due_at        TEXT NOT NULL,
    claimed_at    TEXT NOT NULL DEFAULT '',
    finished_at   TEXT NOT NULL DEFAULT '',
    attempts      INTEGER NOT NULL DEFAULT 0,
    provider_id   TEXT NOT NULL DEFAULT '',
    reason        TEXT NOT NULL DEFAULT ''
);
CREATE INDEX outgoing_open ON outgoing (state, due_at) WHERE state IN ('waiting', 'claimed');
CREATE INDEX outgoing_by_subscriber ON outgoing (subscriber_id, created_at);

-- How much of each limit is used up (generic cell rate algorithm): the moment from which it is whole again.
CREATE TABLE signup_limits (
    key        BLOB PRIMARY KEY,                    -- keyed hash of the limit and of whom it is about
    full_again REAL NOT NULL                        -- seconds since 1970
) WITHOUT ROWID;
