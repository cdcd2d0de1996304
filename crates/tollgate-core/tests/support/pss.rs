//! EMSA-PSS (RFC 8017 section 9.1.1), with a place for each thing that can be done wrong.

use aws_lc_rs::digest::{Algorithm, digest};

/// One mutation of an encoding. Numbers pick the byte, so that equally named vectors differ.
#[derive(Clone, Copy, Debug)]
pub enum Mutation {
    None,
    /// The message's hash is changed before it is hashed with the salt.
    MessageHash(usize),
    /// A salt of another length than the hash.
    SaltLength(usize),
    /// Every byte of the salt.
    SaltBytes(u8),
    /// A byte of the zero padding.
    ZeroPadding(usize),
    /// The 01 that ends the padding.
    Separator(u8),
    /// The hash, after encoding.
    Hash(usize),
    /// The salt inside the data block, after hashing.
    Salt(usize),
    /// A byte of the masked data block.
    MaskedBlock(usize),
    /// The trailer byte.
    Trailer(u8),
    /// A bit above the encoding's length.
    TopBit,
}

/// Encodes `message` for a modulus of `bits` bits.
pub fn encode(hash: &'static Algorithm, bits: usize, message: &[u8], mutation: Mutation) -> Vec<u8> {
    let length = (bits - 1).div_ceil(8);
    let size = hash.output_len();
    let mut message_hash = digest(hash, message).as_ref().to_vec();
    if let Mutation::MessageHash(at) = mutation {
        message_hash[at % size] ^= 1;
    }
    let salt = match mutation {
        Mutation::SaltLength(length) => vec![0x5a; length],
        Mutation::SaltBytes(byte) => vec![byte; size],
        _ => (0..size).map(|n| u8::try_from(n * 7 % 256).unwrap_or_default()).collect(),
    };
    let mut sealed = digest(hash, &[&[0; 8], message_hash.as_slice(), &salt].concat()).as_ref().to_vec();
    let padding = length - salt.len() - size - 2;
    let mut block = [vec![0; padding], vec![1], salt.clone()].concat();
    match mutation {
        Mutation::ZeroPadding(at) => block[at % padding] ^= 0x40 >> (at % 7),
        Mutation::Separator(byte) => block[padding] = byte,
        Mutation::Salt(at) => block[padding + 1 + at % salt.len()] ^= 1,
        _ => {}
    }
    let mask = mask(hash, &sealed, block.len());
    let mut masked: Vec<u8> = block.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    let unused = 8 * length - (bits - 1);
    masked[0] &= 0xff >> unused;
    match mutation {
        Mutation::MaskedBlock(at) => masked[1 + at % 100] ^= 1,
        Mutation::Hash(at) => sealed[at % size] ^= 0x10,
        Mutation::TopBit => masked[0] |= 0x80 >> (unused - 1),
        _ => {}
    }
    let trailer = if let Mutation::Trailer(byte) = mutation { byte } else { 0xbc };
    [masked, sealed, vec![trailer]].concat()
}

/// MGF1 (RFC 8017 appendix B.2.1).
fn mask(hash: &'static Algorithm, seed: &[u8], length: usize) -> Vec<u8> {
    let blocks = (0_u32..).flat_map(|n| digest(hash, &[seed, &n.to_be_bytes()].concat()).as_ref().to_vec());
    blocks.take(length).collect()
}
