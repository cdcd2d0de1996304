-- Secrets of keys that were found in public. By digest, because a leak concerns one secret: the key's next one is not
-- touched by it, and a report that comes again is known.
--
-- Safe for the release before: it neither reads nor writes this table, and a key that was switched off stays off.

CREATE TABLE leaked_secrets (
    -- As in api_keys.digest: hex SHA-256 over id, NUL, secret.
    digest      TEXT   NOT NULL PRIMARY KEY,
    key_id      TEXT   NOT NULL REFERENCES api_keys (id),
    -- The first place that was reported; null when none was, or none that is a link.
    url         TEXT,
    -- What kind of place, in the reporter's word.
    source      TEXT   NOT NULL,
    -- Which of the configured public keys the report was signed for.
    reported_by TEXT   NOT NULL,
    reported_at BIGINT NOT NULL
);
