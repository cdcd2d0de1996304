//! Project Wycheproof's JWS vectors, transplanted onto live claims.
//!
//! Every payload in the published file is a word or a number, so a service refuses each vector for the wrong reason. Here
//! each vector's attack is repeated on a token that would be accepted without it: the same edit of the text, the same
//! padding with our digest in it, the same constants as signature. Each group comes with an untouched control.

use std::fs;
use std::io;
use std::path::Path;

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use num_bigint::BigUint;
use serde_json::{Value, json};

use super::pss::{self, Mutation};

/// Vectors that are labelled valid, and are refused on purpose.
pub const LABEL_ERRORS: [(u64, &str); 4] = [
    (346, "the key says PS256, the token PS384"),
    (347, "the key says ES521, which is no algorithm"),
    (350, "the key says PS256, the token PS384"),
    (351, "the key says ES521, which is no algorithm"),
];

/// The vectors of one key.
pub struct Group {
    /// For messages.
    pub name: String,
    /// The public key set.
    pub key_set: String,
    /// A token that must pass; `None` where the key itself must not be used.
    pub control: Option<String>,
    /// The attacks, and the valid ones.
    pub vectors: Vec<Vector>,
}

/// One transplanted vector.
pub struct Vector {
    /// Wycheproof's number.
    pub id: u64,
    /// Wycheproof's comment.
    pub comment: String,
    /// The whole token.
    pub token: String,
    /// Whether it must pass.
    pub valid: bool,
    /// Whether the vector's own digest was found in its padding and replaced.
    pub digest_replaced: bool,
}

/// All asymmetric groups. `claims` gives the live claims of the `n`th group.
pub fn groups(dir: &Path, claims: impl Fn(usize) -> Value) -> io::Result<Vec<Group>> {
    let file: Value = serde_json::from_str(&fs::read_to_string(dir.join("json_web_signature_test.json"))?)?;
    let mut groups = Vec::new();
    for group in file["testGroups"].as_array().into_iter().flatten() {
        if !group["public"].is_object() {
            continue;
        }
        groups.push(transplant(group, &claims(groups.len())));
    }
    Ok(groups)
}

/// Every JWE of the encryption file: none may pass, whatever its label.
pub fn encrypted(dir: &Path) -> io::Result<Vec<(u64, String)>> {
    let file: Value = serde_json::from_str(&fs::read_to_string(dir.join("json_web_encryption_test.json"))?)?;
    let tests =
        file["testGroups"].as_array().into_iter().flatten().flat_map(|g| g["tests"].as_array()).flatten();
    Ok(tests
        .map(|t| (t["tcId"].as_u64().unwrap(), t["jwe"].as_str().unwrap_or_default().to_owned()))
        .collect())
}

fn transplant(group: &Value, claims: &Value) -> Group {
    let public = &group["public"];
    let signer = Signer::of(&group["private"]);
    let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
    let usable =
        public["use"] != "enc" && public["key_ops"] != json!(["encrypt"]) && public["alg"] != "ES521";
    let alg = match public["alg"].as_str() {
        Some(alg) => alg,
        None if public["kty"] == "EC" => "ES256",
        None => "RS256",
    };
    let header = json!({"alg": alg, "kid": public["kid"]}).to_string();
    let control = signer.token(&header, &payload, alg);
    let tests = group["tests"].as_array().into_iter().flatten();
    Group {
        name: format!("{} {}", group["comment"].as_str().unwrap_or_default(), public["kid"]),
        key_set: json!({"keys": [public]}).to_string(),
        control: usable.then(|| control.clone()),
        vectors: tests.map(|test| vector(test, &signer, &payload, &control, public)).collect(),
    }
}

fn vector(test: &Value, signer: &Signer, payload: &str, control: &str, public: &Value) -> Vector {
    let id = test["tcId"].as_u64().unwrap();
    let comment = test["comment"].as_str().unwrap().to_owned();
    let jws = test["jws"].as_str().unwrap();
    let valid = test["result"] == "valid" && LABEL_ERRORS.iter().all(|(known, _)| *known != id);
    let mut vector = Vector { id, comment, token: String::new(), valid, digest_replaced: false };
    if let Some(token) = structural(&vector.comment, control, signer, public) {
        vector.token = token;
        return vector;
    }
    let (input, signature) = jws.rsplit_once('.').unwrap();
    let (header, _) = input.split_once('.').unwrap();
    let ours = format!("{header}.{payload}");
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let alg = serde_json::from_str::<Value>(&text).unwrap()["alg"].as_str().unwrap_or_default().to_owned();
    let signature = match signer {
        Signer::Rsa(rsa) if vector.comment.starts_with("Using") => {
            rsa.sign_as(&vector.comment["Using".len()..], ours.as_bytes())
        }
        Signer::Rsa(rsa) if alg.starts_with("PS") => {
            rsa.pss(&vector.comment, id, &alg, ours.as_bytes(), &signature)
        }
        Signer::Rsa(rsa) => match rsa.replace_digest(&alg, input.as_bytes(), ours.as_bytes(), &signature) {
            Some(moved) => {
                vector.digest_replaced = true;
                moved
            }
            // The attack is on the digest itself: its bytes stay as they are.
            None => signature,
        },
        Signer::Ec(_) => ec_special(&vector.comment, signer, &ours, &signature),
    };
    vector.token = format!("{ours}.{}", URL_SAFE_NO_PAD.encode(signature));
    vector
}

/// Attacks on the text, repeated on the control.
fn structural(comment: &str, control: &str, signer: &Signer, public: &Value) -> Option<String> {
    let parts: Vec<&str> = control.split('.').collect();
    let (h, p, s) = (parts[0], parts[1], parts[2]);
    let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
    let kid = &public["kid"];
    Some(match comment {
        "acceptsValid" | "valid" => control.to_owned(),
        "rejectsModifiedSignature" | "modifiedSignature" => {
            let mut bytes = URL_SAFE_NO_PAD.decode(s).unwrap();
            bytes[11] ^= 1;
            format!("{h}.{p}.{}", URL_SAFE_NO_PAD.encode(bytes))
        }
        "rejectsMissingSignature" => format!("{h}.{p}."),
        "rejectsMissingSignatureAndSeparator" => format!("{h}.{p}"),
        "rejectsModifiedPayload" => {
            let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(p).unwrap()).unwrap();
            format!("{h}.{}.{s}", encode(claims.replace("user", "root")))
        }
        "rejectsMissingPayload" => format!("{h}..{s}"),
        "rejectsMissingPayloadAndSeparator" => format!("{h}.{s}"),
        "rejectsModifiedHeader" => {
            let header = String::from_utf8(URL_SAFE_NO_PAD.decode(h).unwrap()).unwrap();
            format!("{}.{p}.{s}", encode(header.replace("kid-", "Xid-")))
        }
        "rejectsMissingHeader" => format!(".{p}.{s}"),
        "rejectsMissingHeaderAndSeparator" => format!("{p}.{s}"),
        "rejectsMissingHeaderAndSignature" => format!(".{p}."),
        "rejectsMissingHeaderSignatureAndSeparators" | "rejectsMissingHeaderSignatureAndSeparator" => {
            p.to_owned()
        }
        "rejectsEmptyString" => String::new(),
        "algIsNone" => format!("{}.{p}.", encode(json!({"alg": "none", "kid": kid}).to_string())),
        "rejectsSymmetryConfusionAttacks_aesKeyFromEcVerificationKeyBytes" => {
            let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(public[name].as_str().unwrap()).unwrap();
            let point = [vec![4], coordinate("x"), coordinate("y")].concat();
            let input = format!("{}.{p}", encode(json!({"alg": "HS256", "kid": kid}).to_string()));
            let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &point), input.as_bytes());
            format!("{input}.{}", URL_SAFE_NO_PAD.encode(mac.as_ref()))
        }
        "rejectsAttackerProvidedEmbeddedJwk" => {
            let attacker =
                tollgate_core::testing::TestKey::generate(tollgate_core::jwt::Algorithm::ES256, "x");
            let header = json!({"alg": "ES256", "kid": kid, "jwk": attacker.jwk()}).to_string();
            let claims = URL_SAFE_NO_PAD.decode(p).unwrap();
            attacker.sign_raw(header.as_bytes(), &claims)
        }
        "rejectWrongUse" | "rejectWrongKeyOps" => control.to_owned(),
        "emptyPayload" | "allZeroPayload" | "oneBytePayload" | "normalPayload"
            if !matches!(signer, Signer::Rsa(_)) =>
        {
            control.to_owned()
        }
        _ => return None,
    })
}

/// Edits of an ECDSA signature: lengths and sums on a good one of ours, constants as they are.
fn ec_special(comment: &str, signer: &Signer, input: &str, vector: &[u8]) -> Vec<u8> {
    let Signer::Ec(ec) = signer else { return vector.to_vec() };
    let good = ec.sign(input.as_bytes());
    let half = good.len() / 2;
    let order = BigUint::parse_bytes(b"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
        .unwrap();
    let (r, s) = (BigUint::from_bytes_be(&good[..half]), BigUint::from_bytes_be(&good[half..]));
    let wide = |n: &BigUint, size: usize| {
        let bytes = n.to_bytes_be();
        [vec![0; size.saturating_sub(bytes.len())], bytes].concat()
    };
    match comment {
        "SignatureTooLong" => [good.as_slice(), &[0x5a, 0x5a]].concat(),
        "TrailingZeros" => [good.as_slice(), &[0, 0]].concat(),
        "RisTooBig" => [wide(&(&r + &order), 33), wide(&s, 33)].concat(),
        "SisTooBig" => [wide(&r, 33), wide(&(&s + &order), 33)].concat(),
        "IntegerOverflow" => [wide(&(&r + (BigUint::from(1_u8) << 256)), 33), wide(&s, 33)].concat(),
        "BufferOverflow" => [vec![0; 450], good].concat(),
        _ => vector.to_vec(),
    }
}

enum Signer {
    Rsa(Rsa),
    Ec(Ec),
}

struct Rsa {
    n: BigUint,
    e: BigUint,
    d: BigUint,
}

struct Ec(EcdsaKeyPair);

impl Signer {
    fn of(jwk: &Value) -> Self {
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        if jwk["kty"] == "RSA" {
            let number = |name| BigUint::from_bytes_be(&bytes(name));
            return Self::Rsa(Rsa { n: number("n"), e: number("e"), d: number("d") });
        }
        let (algorithm, size) = match jwk["crv"].as_str() {
            Some("P-521") => (&ECDSA_P521_SHA512_FIXED_SIGNING, 66),
            _ => (&ECDSA_P256_SHA256_FIXED_SIGNING, 32),
        };
        let padded = |name: &str| [vec![0; size - bytes(name).len()], bytes(name)].concat();
        let public = [vec![4], padded("x"), padded("y")].concat();
        Self::Ec(Ec(EcdsaKeyPair::from_private_key_and_public_key(algorithm, &padded("d"), &public).unwrap()))
    }

    fn token(&self, header: &str, payload: &str, alg: &str) -> String {
        let input = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header));
        let signature = match self {
            Self::Rsa(rsa) => rsa.sign_as(alg, input.as_bytes()),
            Self::Ec(ec) => ec.sign(input.as_bytes()),
        };
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl Ec {
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }
}

impl Rsa {
    fn size(&self) -> usize {
        usize::try_from(self.n.bits()).unwrap().div_ceil(8)
    }

    fn raw_sign(&self, encoded: &[u8]) -> Vec<u8> {
        let signed = BigUint::from_bytes_be(encoded).modpow(&self.d, &self.n).to_bytes_be();
        [vec![0; self.size() - signed.len()], signed].concat()
    }

    fn recover(&self, signature: &[u8]) -> Vec<u8> {
        let encoded = BigUint::from_bytes_be(signature).modpow(&self.e, &self.n).to_bytes_be();
        [vec![0; self.size() - encoded.len()], encoded].concat()
    }

    /// A good signature under any RSA algorithm.
    fn sign_as(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        let hash = hash_of(alg);
        if alg.starts_with("PS") {
            let bits = usize::try_from(self.n.bits()).unwrap();
            return self.raw_sign(&pss::encode(hash, bits, message, Mutation::None));
        }
        // DigestInfo prefixes (RFC 8017 section 9.2, note 1).
        let prefix: &[u8] = match hash.output_len() {
            32 => b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
            48 => b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
            _ => b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
        };
        let info = [prefix, digest::digest(hash, message).as_ref()].concat();
        let padding = vec![0xff; self.size() - info.len() - 3];
        self.raw_sign(&[vec![0, 1], padding, vec![0], info].concat())
    }

    /// The vector's own padding with our message's digest where its digest was.
    fn replace_digest(&self, alg: &str, theirs: &[u8], ours: &[u8], signature: &[u8]) -> Option<Vec<u8>> {
        let hash = hash_of(alg);
        let mut encoded = self.recover(signature);
        let old = digest::digest(hash, theirs);
        let at = encoded.windows(old.as_ref().len()).position(|window| window == old.as_ref())?;
        encoded[at..at + old.as_ref().len()].copy_from_slice(digest::digest(hash, ours).as_ref());
        Some(self.raw_sign(&encoded))
    }

    /// The named attack on PSS. `id` tells vectors of the same name apart.
    fn pss(&self, comment: &str, id: u64, alg: &str, message: &[u8], vector: &[u8]) -> Vec<u8> {
        let n = usize::try_from(id).unwrap();
        let mutation = match comment {
            "emptyPayload" | "allZeroPayload" | "oneBytePayload" | "normalPayload" => Mutation::None,
            "Figure13" | "Figure20" => Mutation::None,
            c if c.contains("hashModified") => Mutation::MessageHash(n),
            "SaltLenChanged" => Mutation::SaltLength([0, 1, 20, 31, 33, 64][n % 6]),
            "saltIsAll0" => Mutation::SaltBytes(0),
            "saltIsAll1" => Mutation::SaltBytes(0xff),
            "ZeroPaddingModified" => Mutation::ZeroPadding(n),
            "ModifiedHash" => Mutation::Hash(n * 5),
            "PSModified" => Mutation::Separator([0, 2, 0x81, 0xff, 3, 0x11][n % 6]),
            "SaltModified" => Mutation::Salt(n * 3),
            "MaskedDbChanged" => Mutation::MaskedBlock(n),
            "EmModified" => [Mutation::Trailer(0xbd), Mutation::Trailer(0xcc), Mutation::TopBit][n % 3],
            "prependingZerosToSignature" => return [vec![0], self.sign_as(alg, message)].concat(),
            "appendingZerosToSignature" => return [self.sign_as(alg, message), vec![0]].concat(),
            "truncatedSignature" => return self.sign_as(alg, message)[..self.size() - 2].to_vec(),
            "SignatureIsnotReduced" => {
                let good = BigUint::from_bytes_be(&self.sign_as(alg, message));
                return (good + &self.n).to_bytes_be();
            }
            // 0, 1, n - 1 and n are the same whatever is signed.
            _ => return vector.to_vec(),
        };
        let bits = usize::try_from(self.n.bits()).unwrap();
        self.raw_sign(&pss::encode(hash_of(alg), bits, message, mutation))
    }
}

fn hash_of(alg: &str) -> &'static digest::Algorithm {
    match alg.get(2..) {
        Some("384") => &SHA384,
        Some("512") => &SHA512,
        _ => &SHA256,
    }
}
