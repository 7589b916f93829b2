-- What came back: each report kept before it is answered, applied afterwards, and what is known of each delivery.
-- All that could name a person stands in events.payload, which erasure and retention empty.

ALTER TABLE events ADD COLUMN received_at TEXT NOT NULL DEFAULT '';
ALTER TABLE events ADD COLUMN applied_at  TEXT NOT NULL DEFAULT '';  -- empty while it waits
ALTER TABLE events ADD COLUMN held        INTEGER NOT NULL DEFAULT 0; -- 1: waits for a person, see event_holds
ALTER TABLE events ADD COLUMN result      TEXT NOT NULL DEFAULT '';  -- noted | suppressed | unsubscribed | not ours | discarded | failed

CREATE INDEX events_waiting ON events (held, id) WHERE applied_at = '';
-- How many were suppressed by reports about a send of late: what the breaker counts.
CREATE INDEX events_suppressed ON events (send_id, applied_at) WHERE result = 'suppressed';
-- What retention empties, oldest first.
CREATE INDEX events_to_forget ON events (received_at) WHERE payload <> '';
CREATE INDEX events_by_person ON events (subscriber_id);

-- A flood of bounces or complaints from one provider: nobody is suppressed by its reports until a person decides.
CREATE TABLE event_holds (
    provider    TEXT PRIMARY KEY,
    since       TEXT NOT NULL DEFAULT '',           -- empty: not held now
    reason      TEXT NOT NULL DEFAULT '',
    released_to INTEGER NOT NULL DEFAULT 0,         -- events up to this id were let through by a person
    refused     INTEGER NOT NULL DEFAULT 0,         -- calls in its name refused in the last minute that had too many
    refused_at  TEXT NOT NULL DEFAULT ''            -- when that was
) WITHOUT ROWID;

-- What is known of a delivery after the provider took it; no row where nothing was heard.
CREATE TABLE tracking (
    send_id       INTEGER NOT NULL,
    subscriber_id INTEGER NOT NULL,
    standing      INTEGER NOT NULL,                 -- tracking.states.Standing
    seen          INTEGER NOT NULL DEFAULT 0,       -- tracking.states.Seen
    PRIMARY KEY (send_id, subscriber_id)
) WITHOUT ROWID;

-- Who loaded the picture or followed a link of an issue, where that is switched on: first and last time, in
-- seconds since 1970. After some days only the counts are left.
CREATE TABLE hits (
    send_id       INTEGER NOT NULL,
    subscriber_id INTEGER NOT NULL,
    link          INTEGER NOT NULL,                 -- -1: the picture; 0: the link nobody sees
    first_at      INTEGER NOT NULL,
    last_at       INTEGER NOT NULL,
    PRIMARY KEY (send_id, subscriber_id, link)
) WITHOUT ROWID;

CREATE TABLE hit_counts (
    send_id INTEGER NOT NULL,
    link    INTEGER NOT NULL,                       -- as above; -2: any link
    readers INTEGER NOT NULL,
    PRIMARY KEY (send_id, link)
) WITHOUT ROWID;

-- Who left after which issue, without reading everybody's whole record.
CREATE INDEX consent_events_left ON consent_events (at) WHERE action = 'unsubscribed';
