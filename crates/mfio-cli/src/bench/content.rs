//! The expected content of the file's blocks.
//!
//! In a file made for the benchmark each word of eight bytes is its scrambled offset, so that zeros
//! are wrong everywhere. Of the user's file the first and the last word of each block are noted
//! beforehand. Comparing those two costs nearly nothing, and detects a block read to the wrong
//! place or only in part.

const WORD: usize = 8;

/// The first and the last word of a block.
type Ends = [u64; 2];

/// The expected words.
#[derive(Debug)]
pub(super) enum Content {
    /// Every word says where it is.
    Numbered,
    /// The ends of every block, as they were found.
    Noted(Vec<Ends>),
}

impl Content {
    /// Returns whether `block` has the expected words for `offset`, a multiple of its length.
    #[inline]
    pub(super) fn is_right(&self, offset: u64, block: &[u8]) -> bool {
        let expected = match self {
            Self::Numbered => [word(offset), word(offset + (block.len() - WORD) as u64)],
            Self::Noted(blocks) => match blocks.get((offset / block.len() as u64) as usize) {
                Some(ends) => *ends,
                None => return false,
            },
        };
        ends(block) == Some(expected)
    }
}

/// The word that belongs to `offset`: an odd multiplier maps different places to different words.
#[inline]
fn word(offset: u64) -> u64 {
    (offset ^ 0x6d66_696f_2062_656e).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Fills `bytes`, which are to be at `offset`.
pub(super) fn number(offset: u64, bytes: &mut [u8]) {
    for (i, place) in bytes.chunks_exact_mut(WORD).enumerate() {
        place.copy_from_slice(&word(offset + (i * WORD) as u64).to_le_bytes());
    }
}

/// The ends of a block; `None` if it has not even two.
#[inline]
pub(super) fn ends(block: &[u8]) -> Option<Ends> {
    let first = u64::from_le_bytes(*block.first_chunk::<WORD>()?);
    let last = u64::from_le_bytes(*block.last_chunk::<WORD>()?);
    Some([first, last])
}

#[cfg(test)]
mod tests {
    use super::{Content, ends, number};

    #[test]
    fn a_wrong_block_is_noticed() {
        let mut file = vec![0; 4 * 512];
        number(0, &mut file);
        let noted = file.chunks(512).filter_map(ends).collect();
        for content in [Content::Numbered, Content::Noted(noted)] {
            for (i, block) in file.chunks(512).enumerate() {
                assert!(content.is_right(i as u64 * 512, block));
                assert!(
                    !content.is_right((i as u64 ^ 1) * 512, block),
                    "another block's place"
                );
                let mut torn = block.to_vec();
                torn[256..].fill(0);
                assert!(
                    !content.is_right(i as u64 * 512, &torn),
                    "read by half only"
                );
            }
            assert!(!content.is_right(0, &[0; 512]), "never read");
        }
        assert!(
            !Content::Noted(vec![]).is_right(512, &file[512..1024]),
            "not noted"
        );
    }
}
