//! The signing keys of the issuer: one that signs, some that only verify, one for encryption that nobody should use.
//!
//! Keycloak publishes an RSA-OAEP key next to its signing keys, and verifiers that pick "the first RSA key" break on it.
//! So does this issuer, to make that mistake visible in development.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tollgate_core::time::Timestamp;

/// File inside the state directory. It holds private keys and is readable by its owner only.
const FILE: &str = "issuer-keys.json";

/// Why keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The library refused to make or load a key, or to sign.
    #[error("RSA key operation failed: {0}")]
    Crypto(&'static str),
    /// The key file exists but does not hold keys.
    #[error("{} does not hold signing keys; delete it to start with new ones", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser met.
        #[source]
        source: serde_json::Error,
    },
    /// The key file could not be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
}

/// All keys of the issuer, behind one lock.
pub(super) struct KeyRing {
    state: Mutex<State>,
    file: Option<PathBuf>,
}

struct State {
    /// Oldest first; the last one signs.
    signing: Vec<SigningKey>,
    encryption: SigningKey,
}

struct SigningKey {
    kid: String,
    pair: KeyPair,
    /// When a replaced key leaves the key set; `None` for the key that signs.
    retires_at: Option<Timestamp>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing").field("file", &self.file).finish_non_exhaustive()
    }
}

// ------------------------------------------------------------------------------------------------------------------

impl KeyRing {
    /// Loads the keys of an earlier run from `state_dir`, or makes new ones (and keeps them there).
    pub(super) fn open(state_dir: Option<&Path>) -> Result<Self, KeyError> {
        let file = state_dir.map(|dir| dir.join(FILE));
        if let Some(path) = &file
            && let Some(state) = load(path)?
        {
            return Ok(Self { state: Mutex::new(state), file });
        }
        let state = State { signing: vec![SigningKey::generate()?], encryption: SigningKey::generate()? };
        save(file.as_deref(), &state)?;
        Ok(Self { state: Mutex::new(state), file })
    }

    /// Makes a new key the one that signs. Its predecessor stays in the key set until `overlap_secs` from `now`.
    pub(super) fn rotate(&self, now: Timestamp, overlap_secs: i64) -> Result<String, KeyError> {
        // Made before the lock is taken: a key takes up to a second, and tokens must go on meanwhile.
        let fresh = SigningKey::generate()?;
        let kid = fresh.kid.clone();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.signing.retain(|key| key.is_published(now));
        for key in &mut state.signing {
            key.retires_at.get_or_insert(now.plus_secs(overlap_secs));
        }
        state.signing.push(fresh);
        save(self.file.as_deref(), &state)?;
        Ok(kid)
    }

    /// Builds a text with the id of the signing key and signs it with RS256. Gives the text and the signature.
    pub(super) fn sign(&self, message: impl FnOnce(&str) -> String) -> Result<(String, Vec<u8>), KeyError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let key = state.signing.last().ok_or(KeyError::Crypto("there is no signing key"))?;
        let text = message(&key.kid);
        let mut signature = vec![0; key.pair.public_modulus_len()];
        key.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| KeyError::Crypto("signing"))?;
        Ok((text, signature))
    }

    /// Whether `signature` over `message` was made by the published key `kid`.
    pub(super) fn verifies(&self, kid: &str, message: &[u8], signature: &[u8], now: Timestamp) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.signing.iter().any(|key| {
            key.kid == kid
                && key.is_published(now)
                && UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.pair.public_key())
                    .verify(message, signature)
                    .is_ok()
        })
    }

    /// The key set (RFC 7517), the key that signs first.
    pub(super) fn jwks(&self, now: Timestamp) -> Value {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys: Vec<Value> = state
            .signing
            .iter()
            .rev()
            .filter(|key| key.is_published(now))
            .map(|key| key.jwk("sig", "RS256"))
            .collect();
        keys.push(state.encryption.jwk("enc", "RSA-OAEP"));
        json!({ "keys": keys })
    }
}

impl SigningKey {
    fn generate() -> Result<Self, KeyError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Crypto("generating a key"))?;
        Ok(Self::new(pair, None))
    }

    fn new(pair: KeyPair, retires_at: Option<Timestamp>) -> Self {
        Self { kid: thumbprint(&pair), pair, retires_at }
    }

    fn is_published(&self, now: Timestamp) -> bool {
        self.retires_at.is_none_or(|end| now < end)
    }

    fn jwk(&self, usage: &str, alg: &str) -> Value {
        let (n, e) = components(&self.pair);
        json!({ "kid": self.kid, "kty": "RSA", "alg": alg, "use": usage, "n": n, "e": e })
    }
}

/// Modulus and exponent in the encoding of RFC 7518 section 6.3.1.
fn components(pair: &KeyPair) -> (String, String) {
    let public: RsaPublicKeyComponents<Vec<u8>> = pair.public_key().into();
    (URL_SAFE_NO_PAD.encode(public.n), URL_SAFE_NO_PAD.encode(public.e))
}

/// Key id: the JWK thumbprint of RFC 7638.
fn thumbprint(pair: &KeyPair) -> String {
    let (n, e) = components(pair);
    let canonical = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
}

// ------------------------------------------------------------------------------------------------------------------

#[derive(Serialize, Deserialize)]
struct Stored {
    signing: Vec<StoredKey>,
    encryption: StoredKey,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    /// PKCS#8, base64.
    pkcs8: String,
    /// Milliseconds since the Unix epoch.
    retires_at: Option<i64>,
}

impl StoredKey {
    fn from_key(key: &SigningKey) -> Result<Self, KeyError> {
        let der: Pkcs8V1Der<'_> = key.pair.as_der().map_err(|_| KeyError::Crypto("encoding a key"))?;
        Ok(Self {
            pkcs8: STANDARD.encode(der.as_ref()),
            retires_at: key.retires_at.map(Timestamp::as_millis),
        })
    }

    fn into_key(self) -> Result<SigningKey, KeyError> {
        let der = STANDARD.decode(&self.pkcs8).map_err(|_| KeyError::Crypto("decoding a stored key"))?;
        let pair = KeyPair::from_pkcs8(&der).map_err(|_| KeyError::Crypto("loading a stored key"))?;
        Ok(SigningKey::new(pair, self.retires_at.map(Timestamp::from_millis)))
    }
}

fn load(path: &Path) -> Result<Option<State>, KeyError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(KeyError::Io { path: path.to_owned(), source }),
    };
    let stored: Stored = serde_json::from_slice(&text)
        .map_err(|source| KeyError::Malformed { path: path.to_owned(), source })?;
    let signing = stored.signing.into_iter().map(StoredKey::into_key).collect::<Result<Vec<_>, _>>()?;
    if signing.is_empty() {
        return Ok(None);
    }
    Ok(Some(State { signing, encryption: stored.encryption.into_key()? }))
}

fn save(path: Option<&Path>, state: &State) -> Result<(), KeyError> {
    let Some(path) = path else { return Ok(()) };
    let stored = Stored {
        signing: state.signing.iter().map(StoredKey::from_key).collect::<Result<_, _>>()?,
        encryption: StoredKey::from_key(&state.encryption)?,
    };
    write_private(path, &stored).map_err(|source| KeyError::Io { path: path.to_owned(), source })
}

/// Writes beside the file and renames, so that a crash leaves the old keys or the new ones and never half of each.
fn write_private(path: &Path, stored: &Stored) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let temporary = path.with_extension("json.new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&temporary)?;
    file.write_all(&serde_json::to_vec(stored)?)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}
