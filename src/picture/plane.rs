//! A plane of voxels, sampled at square pixels.

use ndarray::Array3;

use crate::volume::Geometry;

/// A voxel axis as the edge of a picture.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    /// Which voxel axis.
    axis: usize,
    /// Voxels along it.
    extent: usize,
    /// Whether it points towards right, anterior or superior.
    positive: bool,
    /// Pixels along it.
    pixels: usize,
}

impl Axis {
    /// The voxel axis of `geometry` that follows a world axis, cut into pixels of about `pixel` mm.
    pub fn new(geometry: &Geometry, world: usize, pixel: f64) -> Axis {
        let axes = geometry.axes();
        let axis = (0..3).find(|&axis| axes[axis].0 == world).unwrap_or(world);
        let extent = geometry.shape[axis];
        let length = extent as f64 * geometry.spacing[axis];
        Axis {
            axis,
            extent,
            positive: axes[axis].1,
            pixels: ((length / pixel).round() as usize).max(1),
        }
    }

    /// The two voxels around the middle of a pixel, which is counted from the left, posterior or
    /// inferior end, and the weight of the second.
    fn neighbours(self, pixel: usize) -> (usize, usize, f32) {
        let last = (self.extent - 1) as f64;
        let position = (pixel as f64 + 0.5) / self.pixels as f64 * self.extent as f64 - 0.5;
        let position = position.clamp(0.0, last);
        let position = if self.positive {
            position
        } else {
            last - position
        };
        let first = position as usize;
        let second = (first + 1).min(self.extent - 1);
        (first, second, (position - first as f64) as f32)
    }
}

/// Two axes and a voxel that the plane goes through.
pub(super) struct Plane {
    /// Horizontal, vertical.
    edges: [Axis; 2],
    through: [usize; 3],
}

impl Plane {
    pub fn new(edges: [Axis; 2], through: [usize; 3]) -> Plane {
        Plane { edges, through }
    }

    /// Pixels across and down.
    pub fn size(&self) -> [usize; 2] {
        self.edges.map(|edge| edge.pixels)
    }

    /// Bilinear means of `value` at all pixels, row by row from the top.
    pub fn sample(&self, value: impl Fn([usize; 3]) -> f32) -> Vec<f32> {
        let [across, up] = self.edges;
        let mut samples = Vec::with_capacity(across.pixels * up.pixels);
        for row in (0..up.pixels).rev() {
            let (low, high, upper) = up.neighbours(row);
            for column in 0..across.pixels {
                let (left, right, later) = across.neighbours(column);
                let at = |column: usize, row: usize| {
                    let mut index = self.through;
                    index[across.axis] = column;
                    index[up.axis] = row;
                    value(index)
                };
                let mean = |a: f32, b: f32, weight: f32| a + (b - a) * weight;
                let lower = mean(at(left, low), at(right, low), later);
                let higher = mean(at(left, high), at(right, high), later);
                samples.push(mean(lower, higher, upper));
            }
        }
        samples
    }

    /// The pixels inside `mask` with a neighbour that is not, or on the picture's edge.
    pub fn outline(&self, mask: &Array3<u8>) -> Vec<bool> {
        let share = self.sample(|index| if mask[index] != 0 { 1.0 } else { 0.0 });
        let [columns, rows] = self.size();
        let inside = |x: usize, y: usize| x < columns && y < rows && share[y * columns + x] >= 0.5;
        // An index below zero wraps around to one that is out of bounds.
        let edge = |x: usize, y: usize| {
            inside(x, y)
                && !(inside(x.wrapping_sub(1), y)
                    && inside(x + 1, y)
                    && inside(x, y.wrapping_sub(1))
                    && inside(x, y + 1))
        };
        (0..share.len())
            .map(|index| edge(index % columns, index / columns))
            .collect()
    }
}
