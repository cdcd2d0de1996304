-- Who decided what about a key, so that nobody below them undoes it, and so that no secret acts as a person who did not
-- make it.
--
-- Every column may be null, so that the release before reads and writes on as it did. While replicas of that release run,
-- they can still switch a key on against these columns.

-- Why a key is switched off, as far as its owner can undo it: owner, role_lost, leaked.
ALTER TABLE api_keys ADD COLUMN disabled_because TEXT;
ALTER TABLE api_keys ADD COLUMN disabled_by TEXT;
ALTER TABLE api_keys ADD COLUMN disabled_at BIGINT;
-- A higher role switched it off: manager, owner, organization_admin, platform_admin. Only such a role switches it on.
ALTER TABLE api_keys ADD COLUMN hold_role TEXT;
ALTER TABLE api_keys ADD COLUMN hold_by TEXT;
ALTER TABLE api_keys ADD COLUMN hold_at BIGINT;
-- Its secret was made by somebody else than its owner, who has to rotate it.
ALTER TABLE api_keys ADD COLUMN handed_over_from TEXT;
ALTER TABLE api_keys ADD COLUMN handed_over_by TEXT;
ALTER TABLE api_keys ADD COLUMN handed_over_at BIGINT;
-- The widest limits that each higher role has left to it; a JSON array.
ALTER TABLE api_keys ADD COLUMN bounds TEXT;

UPDATE api_keys SET disabled_because = 'owner', disabled_by = 'unknown', disabled_at = updated_at
    WHERE state = 'disabled';
-- Keys whose secret was made by somebody else, by a hand-over or by an operator: off until their owner rotates them.
UPDATE api_keys SET state = 'disabled', handed_over_from = created_by, handed_over_by = 'migration',
    handed_over_at = updated_at, previous_digest = NULL, previous_until = NULL, previous_last_used_at = NULL,
    version = version + 1
    WHERE person_id IS NOT NULL AND created_by <> person_id AND state <> 'revoked';
