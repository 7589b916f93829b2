-- What readers choose for themselves.

-- UTC; no issue is begun for the person before. Empty for no pause.
ALTER TABLE subscribers ADD COLUMN paused_until TEXT NOT NULL DEFAULT '';

-- Mailed links that were used to change something; kept until they would have ended anyway.
CREATE TABLE spent_links (
    serial INTEGER PRIMARY KEY,
    until  INTEGER NOT NULL                         -- seconds since 1970
);
CREATE INDEX spent_links_by_end ON spent_links (until);
