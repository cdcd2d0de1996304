-- A recent proof of who somebody is.
--
-- The column may be null, so that the release before reads and writes on as it did.

-- When set, the proof of who the person is must not be older than this: a new one was asked for (max_age, prompt=login).
ALTER TABLE logins ADD COLUMN authenticated_after BIGINT;
