//! The compression function over vectors: lane `n` of every vector belongs to message `n`.
#![expect(
    clippy::inline_always,
    reason = "the vector instructions of a level can be used only where all of this is inlined"
)]

use fearless_simd::{Level, Simd, SimdBase, dispatch};

use super::{BLOCK_BYTES, Blocks, Digest, Message};

/// The most lanes that any level has.
const MAX_LANES: usize = 16;

const WORDS: usize = BLOCK_BYTES / size_of::<u32>();

/// The initial hash value, FIPS 180-4 §5.3.3.
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The constants of the rounds, FIPS 180-4 §4.2.2.
const ROUNDS: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

/// One word of every lane.
type Row = [u32; MAX_LANES];

/// The digests of all messages, whatever their lengths: a lane that has ended takes the next one.
pub(super) fn digest_all(messages: &[Message<'_>]) -> Vec<Digest> {
    let mut digests = vec![Digest::default(); messages.len()];
    dispatch!(Level::new(), simd => run(simd, messages, &mut digests));
    digests
}

#[inline(always)]
fn run<S: Simd>(simd: S, messages: &[Message<'_>], digests: &mut [Digest]) {
    let mut waiting = messages.iter().map(Blocks::of).zip(digests);
    let mut lanes: [Option<(Blocks<'_>, &mut Digest)>; MAX_LANES] = [const { None }; MAX_LANES];
    let mut state = [[0; MAX_LANES]; 8];
    let mut block = [[0; MAX_LANES]; WORDS];
    loop {
        let mut busy = false;
        for (at, lane) in lanes.iter_mut().take(S::u32s::LEN).enumerate() {
            let next = match lane {
                Some((blocks, _)) => blocks.next(),
                None => None,
            };
            let next = next.or_else(|| {
                if let Some((_, digest)) = lane.take() {
                    write_digest(&state, at, digest);
                }
                *lane = waiting.next();
                set_lane(&mut state, at, INITIAL);
                lane.as_mut().and_then(|(blocks, _)| blocks.next())
            });
            let Some(bytes) = next else { continue };
            busy = true;
            let words = bytes.as_chunks().0.iter().map(|word| u32::from_be_bytes(*word));
            set_lane(&mut block, at, words);
        }
        if !busy {
            return;
        }
        compress(simd, &mut state, &block);
    }
}

#[inline(always)]
fn set_lane<const N: usize>(rows: &mut [Row; N], at: usize, words: impl IntoIterator<Item = u32>) {
    for (row, word) in rows.iter_mut().zip(words) {
        if let Some(lane) = row.get_mut(at) {
            *lane = word;
        }
    }
}

#[inline(always)]
fn write_digest(state: &[Row; 8], at: usize, digest: &mut Digest) {
    for (bytes, row) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = row.get(at).copied().unwrap_or_default().to_be_bytes();
    }
}

/// FIPS 180-4 §6.2.2, on all lanes.
#[inline(always)]
#[expect(clippy::many_single_char_names, reason = "the standard's own")]
#[expect(clippy::indexing_slicing, reason = "every index is within the schedule")]
fn compress<S: Simd>(simd: S, state: &mut [Row; 8], block: &[Row; WORDS]) {
    let load = |row: &Row| S::u32s::from_slice(simd, row.split_at(S::u32s::LEN).0);
    let mut schedule = block.each_ref().map(load);
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state.each_ref().map(load);
    for (round, constant) in ROUNDS.iter().enumerate() {
        let word = schedule[round % WORDS];
        let [two_on, nine_on, fourteen_on] = [1, 9, 14].map(|it| schedule[(round + it) % WORDS]);
        // The word of sixteen rounds on takes this one's place.
        let small_0 = rotate::<S>(two_on, 7) ^ rotate::<S>(two_on, 18) ^ (two_on >> 3);
        let small_1 =
            rotate::<S>(fourteen_on, 17) ^ rotate::<S>(fourteen_on, 19) ^ (fourteen_on >> 10);
        schedule[round % WORDS] = word + small_0 + nine_on + small_1;

        let big_1 = rotate::<S>(e, 6) ^ rotate::<S>(e, 11) ^ rotate::<S>(e, 25);
        let choice = g ^ (e & (f ^ g));
        let t1 = h + big_1 + choice + S::u32s::splat(simd, *constant) + word;
        let big_0 = rotate::<S>(a, 2) ^ rotate::<S>(a, 13) ^ rotate::<S>(a, 22);
        let majority = (a & b) | (c & (a | b));
        (h, g, f, e, d, c, b, a) = (g, f, e, d + t1, c, b, a, t1 + big_0 + majority);
    }
    for (row, new) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        let sum = load(row) + new;
        sum.store_slice(row.split_at_mut(S::u32s::LEN).0);
    }
}

#[inline(always)]
fn rotate<S: Simd>(word: S::u32s, by: u32) -> S::u32s {
    (word >> by) | (word << (u32::BITS - by))
}
