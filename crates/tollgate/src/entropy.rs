//! Randomness as an argument, so that tests can repeat what is drawn.

/// The source of random bytes failed. Nothing that depends on them may be issued.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the source of random bytes failed")]
pub struct EntropyError;

/// A source of unpredictable bytes.
pub trait Entropy: Send + Sync {
    /// Fills the whole buffer.
    ///
    /// # Errors
    /// The source failed; what the buffer holds then must not be used.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError>;
}

/// The random number generator of the cryptography library, seeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        aws_lc_rs::rand::fill(buffer).map_err(|_| EntropyError)
    }
}

/// `N` unpredictable bytes.
///
/// # Errors
/// The source failed.
pub fn bytes<const N: usize>(entropy: &dyn Entropy) -> Result<[u8; N], EntropyError> {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes)?;
    Ok(bytes)
}
