-- What is needed to find out afterwards: was it for real, whose webhook is this, and is this file the one that sent?

ALTER TABLE sends ADD COLUMN sandbox INTEGER NOT NULL DEFAULT 0;    -- the provider checked everything and delivered nothing

-- A webhook may name a lost delivery by the provider's id alone: the few unknown ones among a million settled.
CREATE INDEX deliveries_unknown ON deliveries (provider_id) WHERE state = 5;

-- Names this store: a backup restored over it has the same name, a store that was begun anew has another.
INSERT INTO meta (key, value) VALUES ('store_id', lower(hex(randomblob(8))));
