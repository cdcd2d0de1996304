-- Whether an issuer says that a person's e-mail address is theirs.
--
-- The column may be null, so that the release before reads and writes on as it did. Null is no.
ALTER TABLE people ADD COLUMN email_verified BOOLEAN;
