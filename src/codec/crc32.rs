//! The CRC-32 of a whole from the CRC-32s of its parts.
//!
//! A CRC is the remainder of a polynomial over GF(2); appending `n` bytes multiplies it by x^(8n) before the rest is
//! added. With that power of x at hand, two parts are joined by one multiplication, however long they are.

/// The CRC-32 polynomial, the lowest power in the highest bit.
const POLYNOMIAL: u32 = 0xedb8_8320;
/// One, in that order of bits.
const ONE: u32 = 1 << 31;

/// The product of two polynomials, modulo [`POLYNOMIAL`].
fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    for bit in (0..32).rev() {
        if a & (1 << bit) != 0 {
            product ^= b;
        }
        b = if b & 1 == 1 { (b >> 1) ^ POLYNOMIAL } else { b >> 1 };
    }
    product
}

/// The effect of appended bytes on a CRC: a multiplication by x to the power of eight times their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift(u32);

impl Shift {
    /// The effect of this many bytes.
    pub(super) fn of(len: usize) -> Self {
        let mut power = ONE;
        let mut square = ONE >> 8; // x^8
        let mut left = len;
        while left > 0 {
            if left & 1 == 1 {
                power = multiply(square, power);
            }
            square = multiply(square, square);
            left >>= 1;
        }
        Self(power)
    }

    /// The CRC of a whole: `before` is that of the first part, `after` that of these bytes.
    pub(super) fn append(self, before: u32, after: u32) -> u32 {
        multiply(self.0, before) ^ after
    }
}

/// The CRC-32 of `bytes`.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_crc_of_a_whole_follows_from_its_parts(a in proptest::collection::vec(any::<u8>(), 0..300), b in proptest::collection::vec(any::<u8>(), 0..300)) {
            let joined = Shift::of(b.len()).append(crc32(&a), crc32(&b));
            prop_assert_eq!(joined, crc32(&[a, b].concat()));
        }
    }
}
