-- Keys with which sites of one's own use the API, and how far retention has come.

CREATE TABLE api_keys (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT NOT NULL,
    hint         TEXT NOT NULL,                     -- the key's first characters, to tell keys apart
    key_hash     BLOB NOT NULL UNIQUE,              -- SHA-256; the key itself was shown once
    scopes       TEXT NOT NULL,                     -- comma-separated
    created_at   TEXT NOT NULL,
    last_used_at TEXT NOT NULL DEFAULT '',          -- to the day
    revoked_at   TEXT NOT NULL DEFAULT ''
);

-- When the words of receiving servers, which often repeat an address, were removed from a send's deliveries.
ALTER TABLE sends ADD COLUMN reasons_removed_at TEXT NOT NULL DEFAULT '';
