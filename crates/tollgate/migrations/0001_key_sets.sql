-- The last good key set of each issuer.
--
-- Why: when an issuer is away while Tollgate restarts, tokens that it signed before must go on working. The document is
-- public (it holds verification keys only), so it is kept as it came.
--
-- One row an issuer and location: an issuer that moves to another address starts anew, and never inherits keys from the
-- old one. Times are milliseconds since the Unix epoch and come from the process, not from the database.
CREATE TABLE key_sets (
    issuer     TEXT   NOT NULL,
    location   TEXT   NOT NULL,
    document   TEXT   NOT NULL,
    fetched_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, location)
);
