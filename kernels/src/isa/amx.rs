//! The int8 convolution with the tile products of AMX; what follows the sums is that of AVX-512.

use std::arch::asm;
use std::sync::OnceLock;

use super::{avx512vnni, entry_points};
use crate::cpu;
use crate::tiles::model::Model;
use crate::tiles::{ROW_BYTES, ROWS, Shapes, Tiles};

/// The processor's tiles.
pub(crate) struct Amx(());

/// An instruction on tiles. The compiler itself never uses them, so that they keep their contents
/// from one to the next.
macro_rules! tile {
    ($($part:tt)*) => {
        asm!(
            $($part)*,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack, preserves_flags)
        )
    };
}

impl Tiles for Amx {
    #[inline(always)]
    unsafe fn configure(shapes: &Shapes) -> Amx {
        // SAFETY: the caller promises AMX; the palette is one that `usable` found.
        unsafe { tile!("ldtilecfg [{shapes}]", shapes = in(reg) shapes) };
        Amx(())
    }

    #[inline(always)]
    unsafe fn load<const TILE: usize>(&mut self, from: *const u8, step: usize) {
        // SAFETY: the caller promises AMX, a tile in use and readable rows.
        unsafe {
            tile!(
                "tileloadd tmm{tile}, [{from} + 1*{step}]",
                tile = const TILE, from = in(reg) from, step = in(reg) step
            );
        }
    }

    #[inline(always)]
    unsafe fn accumulate<const SUMS: usize, const BYTES: usize, const WEIGHTS: usize>(&mut self) {
        // SAFETY: the caller promises AMX and fitting tiles in use.
        unsafe {
            tile!(
                "tdpbusd tmm{sums}, tmm{bytes}, tmm{weights}",
                sums = const SUMS, bytes = const BYTES, weights = const WEIGHTS
            );
        }
    }

    #[inline(always)]
    unsafe fn store<const TILE: usize>(&self, to: *mut u8, step: usize) {
        // SAFETY: the caller promises AMX, a tile in use and writable rows.
        unsafe {
            tile!(
                "tilestored [{to} + 1*{step}], tmm{tile}",
                tile = const TILE, to = in(reg) to, step = in(reg) step
            );
        }
    }
}

impl Drop for Amx {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: whoever made `self` promised AMX.
        unsafe { tile!("tilerelease") };
    }
}

/// Whether this process may use tiles, and they compute what the model does. Asks once.
pub(crate) fn usable() -> bool {
    static USABLE: OnceLock<bool> = OnceLock::new();
    // SAFETY: the processor has tiles and the operating system grants them.
    *USABLE.get_or_init(|| cpu::amx::granted() && unsafe { product::<Amx>() == product::<Model>() })
}

/// A product of tiles that are not full, with bytes and weights of every kind.
///
/// # Safety
///
/// The processor has the instructions of `T`, and the thread uses no tiles.
unsafe fn product<T: Tiles>() -> [[u8; ROW_BYTES]; ROWS] {
    let bytes: [[u8; ROW_BYTES]; ROWS] = numbers(1);
    let weights: [[u8; ROW_BYTES]; ROWS] = numbers(2);
    let before: [[u8; ROW_BYTES]; ROWS] = numbers(3);
    let mut after = [[0; ROW_BYTES]; ROWS];
    let (rows, inputs) = (ROWS - 3, 48);
    let mut shapes = [[0; 2]; 8];
    shapes[3] = [rows, ROW_BYTES];
    shapes[4] = [rows, inputs];
    shapes[7] = [inputs / 4, ROW_BYTES];
    // SAFETY: the rows of all tiles are those of arrays; the caller promises the rest.
    unsafe {
        let mut tiles = T::configure(&Shapes::new(shapes));
        tiles.load::<3>(before.as_ptr().cast(), ROW_BYTES);
        tiles.load::<4>(bytes.as_ptr().cast(), ROW_BYTES / 4);
        tiles.load::<7>(weights.as_ptr().cast(), ROW_BYTES);
        tiles.accumulate::<3, 4, 7>();
        tiles.store::<3>(after.as_mut_ptr().cast(), ROW_BYTES);
    }
    after
}

/// Bytes without a pattern.
fn numbers(seed: u32) -> [[u8; ROW_BYTES]; ROWS] {
    let mut state = seed;
    [(); ROWS].map(|()| {
        [(); ROW_BYTES].map(|()| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
    })
}

/// Products of full tiles in a pass of [`peak`].
const PEAK_PRODUCTS: u64 = 6 * 20_000;
/// Multiply-accumulates of a pass of [`peak`].
pub(crate) const PEAK_MACS: u64 = PEAK_PRODUCTS * (ROWS * ROWS * ROW_BYTES) as u64;

/// Products of tiles one after the other, six of them independent.
///
/// # Safety
///
/// The processor has AMX, and the thread uses no tiles.
pub(crate) unsafe fn peak() {
    // SAFETY: all tiles are in use and full; the caller promises the rest.
    unsafe {
        let mut tiles = Amx::configure(&Shapes::new([[ROWS, ROW_BYTES]; 8]));
        for _ in 0..PEAK_PRODUCTS / 6 {
            tiles.accumulate::<0, 6, 7>();
            tiles.accumulate::<1, 6, 7>();
            tiles.accumulate::<2, 6, 7>();
            tiles.accumulate::<3, 6, 7>();
            tiles.accumulate::<4, 6, 7>();
            tiles.accumulate::<5, 6, 7>();
        }
    }
}

entry_points!(
    tiles Amx, avx512vnni::Sums,
    features "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"
);

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that the Software Developer's Manual gives for the instructions.
    #[test]
    fn instructions_are_encoded_as_documented() {
        const EXPECTED: [u8; 27] = [
            0xc4, 0xe2, 0x78, 0x49, 0x00, // VEX.128.NP.0F38.W0 49 /0
            0xc4, 0xe2, 0x7b, 0x4b, 0x24, 0x11, // VEX.128.F2.0F38.W0 4B /r
            0xc4, 0xe2, 0x41, 0x5e, 0xdc, // VEX.128.66.0F38.W0 5E /r, the bytes in r/m
            0xc4, 0xe2, 0x7a, 0x4b, 0x1c, 0x11, // VEX.128.F3.0F38.W0 4B /r
            0xc4, 0xe2, 0x78, 0x49, 0xc0, // VEX.128.NP.0F38.W0 49 C0
        ];
        let found: *const [u8; 27];
        // SAFETY: the instructions are jumped over, and their bytes may be read.
        let found = unsafe {
            asm!(
                "lea {found}, [rip + 2f]",
                "jmp 3f",
                "2:",
                "ldtilecfg [rax]",
                "tileloadd tmm4, [rcx + 1*rdx]",
                "tdpbusd tmm3, tmm4, tmm7",
                "tilestored [rcx + 1*rdx], tmm3",
                "tilerelease",
                "3:",
                found = out(reg) found,
                options(nomem, nostack, preserves_flags)
            );
            *found
        };
        assert_eq!(found, EXPECTED);
    }
}
