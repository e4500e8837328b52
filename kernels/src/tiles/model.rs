//! The tiles in software, as Intel's Software Developer's Manual describes the instructions: what the
//! convolution by tiles is tested with where the processor has none, and what a processor's own tiles
//! are compared with before they are used.

use super::{ROW_BYTES, ROWS, Shapes, TILES, Tiles};

/// A tile's bytes; those beyond its rows and their ends are zero.
type Tile = [[u8; ROW_BYTES]; ROWS];

/// See the module's description. Whatever the processor would answer with an exception is a panic.
pub(crate) struct Model {
    shapes: Shapes,
    tiles: [Tile; TILES],
}

impl Model {
    /// Rows and bytes per row of a tile in use.
    fn shape(&self, tile: usize) -> [usize; 2] {
        let shape = [
            usize::from(self.shapes.rows[tile]),
            usize::from(self.shapes.row_bytes[tile]),
        ];
        assert!(!shape.contains(&0), "tile {tile} is not in use");
        shape
    }
}

impl Tiles for Model {
    unsafe fn configure(shapes: &Shapes) -> Model {
        assert_eq!((shapes.palette, shapes.start_row), (1, 0), "palette");
        assert_eq!(shapes.reserved, [0; 14], "reserved bytes");
        for (i, (&rows, &row_bytes)) in shapes.rows.iter().zip(&shapes.row_bytes).enumerate() {
            assert_eq!(rows == 0, row_bytes == 0, "tile {i} is half in use");
            assert!(rows == 0 || i < TILES, "reserved bytes");
            assert!(usize::from(rows) <= ROWS && usize::from(row_bytes) <= ROW_BYTES);
        }
        Model {
            shapes: *shapes,
            tiles: [[[0; ROW_BYTES]; ROWS]; TILES],
        }
    }

    unsafe fn load<const TILE: usize>(&mut self, from: *const u8, step: usize) {
        let [rows, row_bytes] = self.shape(TILE);
        self.tiles[TILE] = [[0; ROW_BYTES]; ROWS];
        for (i, row) in self.tiles[TILE][..rows].iter_mut().enumerate() {
            // SAFETY: the caller promises that the bytes may be read.
            unsafe { row.as_mut_ptr().copy_from(from.add(i * step), row_bytes) };
        }
    }

    unsafe fn accumulate<const SUMS: usize, const BYTES: usize, const WEIGHTS: usize>(&mut self) {
        assert!(SUMS != BYTES && BYTES != WEIGHTS && WEIGHTS != SUMS);
        let [rows, sums_bytes] = self.shape(SUMS);
        let [_, bytes_bytes] = self.shape(BYTES);
        assert_eq!(self.shape(BYTES), [rows, bytes_bytes], "rows");
        assert_eq!(
            self.shape(WEIGHTS),
            [bytes_bytes / 4, sums_bytes],
            "columns"
        );
        assert_eq!([sums_bytes % 4, bytes_bytes % 4], [0, 0], "whole elements");
        let (bytes, weights) = (self.tiles[BYTES], self.tiles[WEIGHTS]);
        let mut sums: Tile = [[0; ROW_BYTES]; ROWS];
        for (row, bytes) in bytes.iter().enumerate().take(rows) {
            let mut products = [0_i32; ROW_BYTES / 4];
            for (bytes, weights) in bytes.chunks_exact(4).zip(&weights).take(bytes_bytes / 4) {
                for (product, weights) in products.iter_mut().zip(weights.chunks_exact(4)) {
                    for (&byte, &weight) in bytes.iter().zip(weights) {
                        let weight = i32::from(weight.cast_signed());
                        *product = product.wrapping_add(i32::from(byte) * weight);
                    }
                }
            }
            let before = self.tiles[SUMS][row].chunks_exact(4);
            let after = sums[row][..sums_bytes].chunks_exact_mut(4);
            for ((after, before), product) in after.zip(before).zip(products) {
                let before = i32::from_le_bytes([before[0], before[1], before[2], before[3]]);
                after.copy_from_slice(&before.wrapping_add(product).to_le_bytes());
            }
        }
        self.tiles[SUMS] = sums;
    }

    unsafe fn store<const TILE: usize>(&self, to: *mut u8, step: usize) {
        let [rows, row_bytes] = self.shape(TILE);
        for (i, row) in self.tiles[TILE][..rows].iter().enumerate() {
            // SAFETY: the caller promises that the bytes may be written.
            unsafe { to.add(i * step).copy_from(row.as_ptr(), row_bytes) };
        }
    }
}
