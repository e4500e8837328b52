//! Where a surface cuts a cell of eight voxel centres.

/// Offsets of the corners; a corner's number is `x + 2 y + 4 z`.
pub const CORNERS: [[usize; 3]; 8] = [
    [0, 0, 0],
    [1, 0, 0],
    [0, 1, 0],
    [1, 1, 0],
    [0, 0, 1],
    [1, 0, 1],
    [0, 1, 1],
    [1, 1, 1],
];

/// The twelve edges: first corner, and the axis along which the second lies.
pub const EDGES: [(usize, usize); 12] = [
    (0, 0),
    (2, 0),
    (4, 0),
    (6, 0),
    (0, 1),
    (1, 1),
    (4, 1),
    (5, 1),
    (0, 2),
    (1, 2),
    (2, 2),
    (3, 2),
];

/// Corners of the six faces, all in the same turning sense seen from outside the cell.
const FACES: [[usize; 4]; 6] = [
    [0, 4, 6, 2],
    [1, 3, 7, 5],
    [0, 1, 5, 4],
    [2, 6, 7, 3],
    [0, 2, 3, 1],
    [4, 5, 7, 6],
];

/// The surface in one cell.
pub struct Cell {
    /// Closed loops of edges, anticlockwise seen from outside the mask.
    pub loops: Vec<Vec<usize>>,
}

impl Cell {
    /// The cell whose corner `n` is in the mask if bit `n` of `code` is set.
    ///
    /// On each face every run of corners in the mask is cut off by one line, from the edge where a
    /// walk around the face enters it to the edge where it is left. Corners across a diagonal
    /// are two runs. The lines of all faces form closed loops.
    pub fn new(code: u8) -> Cell {
        let inside = |corner: usize| code >> corner & 1 == 1;
        let mut next = [None; EDGES.len()];
        for face in FACES {
            for start in 0..4 {
                let at = |step: usize| face[(start + step) % 4];
                if inside(at(0)) || !inside(at(1)) {
                    continue;
                }
                let length = (2..=4).find(|&step| !inside(at(step))).unwrap_or(4);
                next[edge(at(0), at(1))] = Some(edge(at(length - 1), at(length)));
            }
        }
        let mut loops = Vec::new();
        for first in 0..EDGES.len() {
            let mut cycle = Vec::new();
            let mut edge = first;
            while let Some(following) = next[edge].take() {
                cycle.push(edge);
                edge = following;
            }
            if !cycle.is_empty() {
                loops.push(cycle);
            }
        }
        Cell { loops }
    }
}

/// The edge between two neighbouring corners.
fn edge(a: usize, b: usize) -> usize {
    let (first, axis) = (a.min(b), (a ^ b).trailing_zeros() as usize);
    EDGES
        .iter()
        .position(|&edge| edge == (first, axis))
        .expect("neighbours on a face differ in one bit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_hold_every_cut_edge_once() {
        for code in 0..=u8::MAX {
            let mut found: Vec<usize> = Cell::new(code).loops.concat();
            found.sort_unstable();
            let cut = |&edge: &usize| {
                let (first, axis) = EDGES[edge];
                code >> first & 1 != code >> (first | 1 << axis) & 1
            };
            let expected: Vec<usize> = (0..EDGES.len()).filter(cut).collect();
            assert_eq!(found, expected, "{code:08b}");
            assert!(Cell::new(code).loops.iter().all(|cycle| cycle.len() >= 3));
        }
    }

    #[test]
    fn opposite_corners_are_apart() {
        let sizes = |code| -> Vec<usize> {
            let loops = Cell::new(code).loops;
            loops.iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(0b0000_0001), [3]);
        assert_eq!(sizes(0b0000_1001), [3, 3]);
        assert_eq!(sizes(0b1000_0001), [3, 3]);
        assert_eq!(sizes(0b0000_0011), [4]);
        assert_eq!(sizes(0b1111_0110), [6]);
    }
}
