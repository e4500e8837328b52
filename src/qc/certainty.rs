//! How sure the network was.

use ndarray::ArrayView3;

use crate::post::{Connectivity, component_sizes, keep_largest};

/// What the network's probabilities, before any cleaning, say about the mask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Certainty {
    /// Connected parts (26 neighbours) of the voxels that reach the threshold.
    pub components: usize,
    /// Share of these voxels that the largest part holds.
    pub largest_share: f64,
    /// Mean probability of the voxels just inside the largest part's border minus that of the voxels just
    /// outside: near 1 where the network decided, near 0 where it hesitated.
    pub border_step: f64,
}

impl Certainty {
    /// Of a network's output; `None` where no voxel reaches the threshold.
    pub fn new(probabilities: ArrayView3<f32>, threshold: f32) -> Option<Certainty> {
        let (nx, ny, nz) = probabilities.dim();
        let shape = [nx, ny, nz];
        let reached = |&p: &f32| u8::from(p >= threshold);
        let mut mask: Vec<u8> = probabilities.t().iter().map(reached).collect();
        let sizes = component_sizes(&mask, shape, Connectivity::Corners).ok()?;
        let largest = keep_largest(&mut mask, shape, Connectivity::Corners).ok()?;
        let index = |x: usize, y: usize, z: usize| (z * ny + y) * nx + x;
        // Sums and counts of probabilities outside and inside the border.
        let mut sides = [(0.0, 0_u64); 2];
        for ((x, y, z), &probability) in probabilities.indexed_iter() {
            let inside = mask[index(x, y, z)];
            let neighbours = [
                (x > 0).then(|| index(x - 1, y, z)),
                (x + 1 < nx).then(|| index(x + 1, y, z)),
                (y > 0).then(|| index(x, y - 1, z)),
                (y + 1 < ny).then(|| index(x, y + 1, z)),
                (z > 0).then(|| index(x, y, z - 1)),
                (z + 1 < nz).then(|| index(x, y, z + 1)),
            ];
            if neighbours.into_iter().flatten().any(|n| mask[n] != inside) {
                let side = &mut sides[usize::from(inside)];
                side.0 += f64::from(probability);
                side.1 += 1;
            }
        }
        let [outside, inside] = sides.map(|(sum, count)| sum / count.max(1) as f64);
        Some(Certainty {
            components: sizes.len(),
            largest_share: largest as f64 / sizes.iter().sum::<u64>() as f64,
            border_step: inside - outside,
        })
    }
}
