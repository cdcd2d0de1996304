-- Membership with consent: who an invitation is for, invitations to organizations, whose mapping it is, and who has left.
--
-- New columns may be null, so that the release before reads and writes on as it did. It does not look at whom an invitation
-- is bound to by person or issuer while both releases run.

-- The only person who may accept, whether or not there is one of this id.
ALTER TABLE invitations ADD COLUMN person_id TEXT;
-- The configured issuer that has to have verified the address; null in those made before.
ALTER TABLE invitations ADD COLUMN issuer TEXT;
CREATE INDEX invitations_by_person ON invitations (person_id);
CREATE INDEX invitations_by_email ON invitations (issuer, email);

-- As invitations, to an organization.
CREATE TABLE organization_invitations (
    id              TEXT   NOT NULL PRIMARY KEY,
    organization_id TEXT   NOT NULL REFERENCES organizations (id),
    person_id       TEXT,
    email           TEXT,
    issuer          TEXT,
    -- member, admin
    role            TEXT   NOT NULL,
    token_digest    TEXT   NOT NULL UNIQUE,
    created_by      TEXT   NOT NULL REFERENCES people (id),
    created_at      BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    accepted_by     TEXT,
    accepted_at     BIGINT,
    withdrawn_at    BIGINT
);
CREATE INDEX organization_invitations_by_organization ON organization_invitations (organization_id, id);
CREATE INDEX organization_invitations_by_creator ON organization_invitations (created_by);
CREATE INDEX organization_invitations_by_person ON organization_invitations (person_id);
CREATE INDEX organization_invitations_by_email ON organization_invitations (issuer, email);

-- Who made a mapping, and whether as an administrator of the platform. Unknown for those made before: they grant what
-- anybody's may.
ALTER TABLE group_mappings ADD COLUMN created_by TEXT;
ALTER TABLE group_mappings ADD COLUMN by_platform BOOLEAN;
-- When a person's groups last said that they administer the platform; null: they did not, the last time.
ALTER TABLE people ADD COLUMN platform_admin_at BIGINT;

-- Who has left a project or an organization (place) by themselves: group mappings do not bring them back.
CREATE TABLE departures (
    place     TEXT   NOT NULL,
    person_id TEXT   NOT NULL REFERENCES people (id),
    at        BIGINT NOT NULL,
    PRIMARY KEY (place, person_id)
);
CREATE INDEX departures_by_person ON departures (person_id);

-- Nobody is put into somebody's personal space by a group: such mappings and memberships end, and keys made there by
-- people who are nothing to the project are switched off.
DELETE FROM group_mappings WHERE organization_id IN (SELECT id FROM organizations WHERE personal);
UPDATE api_keys SET state = 'disabled', version = version + 1 WHERE state = 'live' AND EXISTS (
    SELECT 1 FROM project_members m JOIN projects p ON p.id = m.project_id JOIN organizations o ON o.id = p.organization_id
    WHERE m.project_id = api_keys.project_id AND m.person_id = api_keys.person_id AND m.source = 'group' AND o.personal);
DELETE FROM project_members WHERE source = 'group' AND project_id IN (
    SELECT p.id FROM projects p JOIN organizations o ON o.id = p.organization_id WHERE o.personal);
