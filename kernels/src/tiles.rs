//! The private type that the int8 convolution by tiles is written in: eight small matrices.

pub(crate) mod model;

/// Number of tiles.
pub(crate) const TILES: usize = 8;
/// Most rows of a tile.
pub(crate) const ROWS: usize = 16;
/// Most bytes of a row.
pub(crate) const ROW_BYTES: usize = 64;

/// Rows and bytes per row of every tile, as `LDTILECFG` reads them.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

impl Shapes {
    /// Tile `i` has `shapes[i]` rows and bytes per row; `[0, 0]` if it is not used.
    pub(crate) fn new(shapes: [[usize; 2]; TILES]) -> Shapes {
        let mut all = Shapes {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            row_bytes: [0; 16],
            rows: [0; 16],
        };
        for (i, [rows, row_bytes]) in shapes.into_iter().enumerate() {
            debug_assert!(rows <= ROWS && row_bytes <= ROW_BYTES);
            all.rows[i] = rows as u8;
            all.row_bytes[i] = row_bytes as u16;
        }
        all
    }
}

/// The tiles of one thread, from their configuration to their release, which is `drop`.
///
/// # Safety
///
/// Every method requires that the processor has the instructions of the implementing type. Tiles that
/// are named are in use, and while one value exists no other one does on the same thread.
pub(crate) trait Tiles: Sized {
    /// All tiles zero.
    unsafe fn configure(shapes: &Shapes) -> Self;

    /// Loads the rows, which start `step` bytes apart; all their bytes may be read.
    unsafe fn load<const TILE: usize>(&mut self, from: *const u8, step: usize);

    /// Adds the product of a matrix of `u8`, `[row][4 k + i]`, and one of `i8`, `[k][4 column + i]`, to
    /// a matrix of `i32`, `[row][column]`. The three tiles are different and their shapes fit.
    unsafe fn accumulate<const SUMS: usize, const BYTES: usize, const WEIGHTS: usize>(&mut self);

    /// Stores the rows `step` bytes apart; all their bytes may be written.
    unsafe fn store<const TILE: usize>(&self, to: *mut u8, step: usize);
}
