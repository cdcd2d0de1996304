-- Self-service: organizations, projects, people, keys, what changed, and who changed it.
--
-- Why one file: the tables refer to each other, and none is of use alone.
--
-- Rules of this schema. Types are TEXT, BIGINT and BOOLEAN, so that SQLite and Postgres mean the same. Times are
-- milliseconds since the Unix epoch and come from the process. Ids are made by the process: lower-case, time-ordered,
-- with a prefix that names the kind; a key's id is the public half of its text. Nothing is deleted that a check or an audit entry could still name: states say that it ended.
-- `version` counts the edits of a row, for If-Match. JSON stands in TEXT and is only ever read whole.

CREATE TABLE organizations (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    -- One person's own: it has one member, who is its admin.
    personal   BOOLEAN NOT NULL,
    -- active, suspended, deleted
    state      TEXT    NOT NULL,
    version    BIGINT  NOT NULL,
    created_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL
);

-- A person appears at the first login or API call, known by the configured issuer's name and the subject there.
CREATE TABLE people (
    id           TEXT   NOT NULL PRIMARY KEY,
    issuer       TEXT   NOT NULL,
    subject      TEXT   NOT NULL,
    username     TEXT   NOT NULL,
    email        TEXT,
    -- active, suspended
    state        TEXT   NOT NULL,
    version      BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    UNIQUE (issuer, subject)
);

CREATE TABLE organization_members (
    organization_id TEXT   NOT NULL REFERENCES organizations (id),
    person_id       TEXT   NOT NULL REFERENCES people (id),
    -- member, admin
    role            TEXT   NOT NULL,
    -- manual, or group: then the next login may change or end it
    source          TEXT   NOT NULL,
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (organization_id, person_id)
);
CREATE INDEX organization_members_by_person ON organization_members (person_id);

CREATE TABLE projects (
    id              TEXT   NOT NULL PRIMARY KEY,
    organization_id TEXT   NOT NULL REFERENCES organizations (id),
    name            TEXT   NOT NULL,
    -- active, suspended, deleted
    state           TEXT   NOT NULL,
    -- "all", "none" or a non-empty array
    models          TEXT   NOT NULL,
    version         BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX projects_by_organization ON projects (organization_id, id);

CREATE TABLE project_members (
    project_id TEXT   NOT NULL REFERENCES projects (id),
    person_id  TEXT   NOT NULL REFERENCES people (id),
    -- viewer, developer, manager, owner
    role       TEXT   NOT NULL,
    source     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, person_id)
);
CREATE INDEX project_members_by_person ON project_members (person_id);

-- A membership that waits for its person. The link's secret is kept as a SHA-256 only.
CREATE TABLE invitations (
    id           TEXT   NOT NULL PRIMARY KEY,
    project_id   TEXT   NOT NULL REFERENCES projects (id),
    -- When set, only an account with this verified address may accept.
    email        TEXT,
    role         TEXT   NOT NULL,
    token_digest TEXT   NOT NULL UNIQUE,
    created_by   TEXT   NOT NULL REFERENCES people (id),
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    accepted_by  TEXT,
    accepted_at  BIGINT,
    withdrawn_at BIGINT
);
CREATE INDEX invitations_by_project ON invitations (project_id, id);
CREATE INDEX invitations_by_creator ON invitations (created_by);

CREATE TABLE service_accounts (
    id         TEXT   NOT NULL PRIMARY KEY,
    project_id TEXT   NOT NULL REFERENCES projects (id),
    name       TEXT   NOT NULL,
    -- active, suspended, deleted
    state      TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX service_accounts_by_project ON service_accounts (project_id, id);
-- A deleted account gives its name free, and nothing else.
CREATE UNIQUE INDEX service_accounts_by_name ON service_accounts (project_id, name) WHERE state <> 'deleted';

-- Members of a token's group get a role: in the organization when project_id is null, else in that project.
CREATE TABLE group_mappings (
    id              TEXT   NOT NULL PRIMARY KEY,
    organization_id TEXT   NOT NULL REFERENCES organizations (id),
    project_id      TEXT   REFERENCES projects (id),
    issuer          TEXT   NOT NULL,
    group_name      TEXT   NOT NULL,
    role            TEXT   NOT NULL,
    created_at      BIGINT NOT NULL
);
CREATE UNIQUE INDEX group_mappings_by_group
    ON group_mappings (issuer, group_name, organization_id, COALESCE(project_id, ''));
CREATE INDEX group_mappings_by_organization ON group_mappings (organization_id, id);

-- Never the secret: `digest` is the hex SHA-256 over id, NUL, secret. A rotated key keeps its id; the digest before works
-- until previous_until.
CREATE TABLE api_keys (
    id                    TEXT   NOT NULL PRIMARY KEY,
    project_id            TEXT   NOT NULL REFERENCES projects (id),
    -- Exactly one of the two is set.
    person_id             TEXT   REFERENCES people (id),
    service_account_id    TEXT   REFERENCES service_accounts (id),
    name                  TEXT   NOT NULL,
    digest                TEXT   NOT NULL,
    previous_digest       TEXT,
    previous_until        BIGINT,
    previous_last_used_at BIGINT,
    -- live, disabled, revoked
    state                 TEXT   NOT NULL,
    expires_at            BIGINT,
    models                TEXT   NOT NULL,
    -- "all" or a non-empty array of route names
    routes                TEXT   NOT NULL,
    -- "any" or a non-empty array of networks
    addresses             TEXT   NOT NULL,
    tags                  TEXT   NOT NULL,
    metadata              TEXT   NOT NULL,
    created_by            TEXT   NOT NULL,
    version               BIGINT NOT NULL,
    created_at            BIGINT NOT NULL,
    updated_at            BIGINT NOT NULL,
    rotated_at            BIGINT,
    revoked_at            BIGINT,
    revoked_by            TEXT,
    last_used_at          BIGINT,
    last_used_address     TEXT,
    last_used_agent       TEXT
);
CREATE INDEX api_keys_by_project ON api_keys (project_id, created_at, id);
CREATE INDEX api_keys_by_person ON api_keys (person_id);
CREATE INDEX api_keys_by_service_account ON api_keys (service_account_id);

-- Tokens that are refused before their time. kind: jti, sid, subject (with issued_before), or issued_before alone.
CREATE TABLE token_rules (
    id            TEXT   NOT NULL PRIMARY KEY,
    issuer        TEXT   NOT NULL,
    kind          TEXT   NOT NULL,
    value         TEXT   NOT NULL,
    issued_before BIGINT,
    -- When no token that it could refuse can be alive any more; null: never.
    expires_at    BIGINT,
    reason        TEXT   NOT NULL,
    created_by    TEXT   NOT NULL,
    created_at    BIGINT NOT NULL
);
CREATE INDEX token_rules_by_end ON token_rules (expires_at);

-- One row per committed change, numbered without gaps: whoever has seen n needs n+1 next. kind and entity name what has
-- to be read again; the row itself holds no data.
CREATE TABLE changes (
    seq    BIGINT NOT NULL PRIMARY KEY,
    kind   TEXT   NOT NULL,
    entity TEXT   NOT NULL,
    at     BIGINT NOT NULL
);
-- The one row that writers lock last, so that numbers are committed in order. A restore from a backup bumps `epoch`: every
-- follower then starts anew.
CREATE TABLE change_counter (
    id    BIGINT NOT NULL PRIMARY KEY,
    seq   BIGINT NOT NULL,
    epoch BIGINT NOT NULL
);
INSERT INTO change_counter (id, seq, epoch) VALUES (1, 0, 0);

-- Who did what to what. Append-only: each entry's hash covers the entry and the hash before it.
CREATE TABLE audit (
    seq             BIGINT NOT NULL PRIMARY KEY,
    at              BIGINT NOT NULL,
    -- person, service, key, operator, system
    actor_kind      TEXT   NOT NULL,
    actor_id        TEXT   NOT NULL,
    actor_name      TEXT   NOT NULL,
    action          TEXT   NOT NULL,
    target_kind     TEXT   NOT NULL,
    target_id       TEXT   NOT NULL,
    organization_id TEXT,
    project_id      TEXT,
    before          TEXT,
    after           TEXT,
    address         TEXT,
    user_agent      TEXT,
    request_id      TEXT,
    hash            TEXT   NOT NULL
);
CREATE INDEX audit_by_project ON audit (project_id, seq);
CREATE INDEX audit_by_organization ON audit (organization_id, seq);
CREATE TABLE audit_head (
    id   BIGINT NOT NULL PRIMARY KEY,
    seq  BIGINT NOT NULL,
    hash TEXT   NOT NULL
);
INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '');

-- A browser's session. The cookie's secret is kept as a SHA-256 only; tokens of the issuer are not kept at all.
CREATE TABLE sessions (
    digest       TEXT   NOT NULL PRIMARY KEY,
    id           TEXT   NOT NULL UNIQUE,
    person_id    TEXT   NOT NULL REFERENCES people (id),
    issuer       TEXT   NOT NULL,
    -- The issuer's own session, for back-channel logout.
    sid          TEXT,
    -- Groups as of the login, a JSON array: rights by group end with the session at the latest.
    groups       TEXT   NOT NULL,
    -- Whether the issuer had verified the e-mail address then.
    email_verified   BOOLEAN NOT NULL,
    authenticated_at BIGINT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    address      TEXT,
    user_agent   TEXT
);
CREATE INDEX sessions_by_person ON sessions (person_id);
CREATE INDEX sessions_by_sid ON sessions (issuer, sid);

-- A login under way, bound to its browser by a cookie whose secret is kept as a SHA-256 only.
CREATE TABLE logins (
    state_digest   TEXT   NOT NULL PRIMARY KEY,
    browser_digest TEXT   NOT NULL,
    issuer         TEXT   NOT NULL,
    nonce          TEXT   NOT NULL,
    verifier       TEXT   NOT NULL,
    next           TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL
);

-- Ids of logout tokens that were obeyed, so that none counts twice.
CREATE TABLE logout_tokens (
    issuer     TEXT   NOT NULL,
    jti        TEXT   NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, jti)
);

-- What was answered to a request with an Idempotency-Key. The answer is kept without secrets.
CREATE TABLE idempotency (
    caller         TEXT   NOT NULL,
    key            TEXT   NOT NULL,
    request_digest TEXT   NOT NULL,
    status         BIGINT NOT NULL,
    body           TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (caller, key)
);
