-- People whom their issuer's directory no longer knows, and who asks it.
--
-- The column may be null, so that the release before reads and writes on as it did.

-- Why a person is suspended: directory_absent, directory_disabled; null when an administrator did it. It has a meaning in
-- the state `suspended` alone.
ALTER TABLE people ADD COLUMN suspended_because TEXT;

-- Work that one replica does at a time: who does it, and until when nobody else may.
CREATE TABLE leases (
    name   TEXT   NOT NULL PRIMARY KEY,
    holder TEXT   NOT NULL,
    until  BIGINT NOT NULL
);
