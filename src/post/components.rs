//! Connected components of a mask.
//!
//! A mask is cut into runs along its first axis, and runs of neighbouring rows that touch are
//! joined by union-find: linear time, memory in proportion to the number of runs, and the same
//! result on any number of threads.

use rayon::prelude::*;

use super::Error;
use super::error::check_shape;

/// Which voxels count as neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connectivity {
    /// The four that share a face within one slice across the third axis.
    SliceFaces,
    /// The six that share a face.
    Faces,
    /// The 26 that share a face, an edge or a corner.
    Corners,
}

impl Connectivity {
    /// Earlier rows that may touch a row, as offsets along the second and third axis.
    fn earlier_rows(self) -> &'static [(isize, isize)] {
        match self {
            Connectivity::SliceFaces => &[(-1, 0)],
            Connectivity::Faces => &[(-1, 0), (0, -1)],
            Connectivity::Corners => &[(-1, 0), (-1, -1), (0, -1), (1, -1)],
        }
    }

    /// Voxels between the ends of two runs in neighbouring rows that still touch.
    fn reach(self) -> usize {
        usize::from(self == Connectivity::Corners)
    }
}

/// Voxels `start..end` of one row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub start: usize,
    pub end: usize,
    /// Second index.
    pub j: usize,
    /// Third index.
    pub k: usize,
}

impl Run {
    pub fn voxels(&self, shape: [usize; 3]) -> std::ops::Range<usize> {
        let row = (self.k * shape[1] + self.j) * shape[0];
        row + self.start..row + self.end
    }
}

/// The runs of a mask and the component each belongs to.
pub(super) struct Components {
    pub runs: Vec<Run>,
    /// For every run the index of the first run of its component.
    pub roots: Vec<usize>,
}

impl Components {
    /// Labels the voxels that are zero (`foreground` false) or not zero (true).
    pub fn label(
        mask: &[u8],
        shape: [usize; 3],
        foreground: bool,
        connectivity: Connectivity,
    ) -> Components {
        let [ni, nj, _] = shape;
        let slices: Vec<Vec<Run>> = mask
            .par_chunks_exact(ni * nj)
            .enumerate()
            .map(|(k, slice)| slice_runs(slice, ni, k, foreground))
            .collect();
        let runs: Vec<Run> = slices.concat();
        let roots = join(&runs, shape, connectivity);
        Components { runs, roots }
    }

    /// Sums `value` over the runs of each component; entries that are no root stay 0.
    pub fn sum(&self, value: impl Fn(&Run) -> u64) -> Vec<u64> {
        let mut sums = vec![0; self.runs.len()];
        for (run, &root) in self.runs.iter().zip(&self.roots) {
            sums[root] += value(run);
        }
        sums
    }
}

fn slice_runs(slice: &[u8], ni: usize, k: usize, foreground: bool) -> Vec<Run> {
    let mut runs = Vec::new();
    for (j, row) in slice.chunks_exact(ni).enumerate() {
        let mut end = 0;
        while let Some(skipped) = row[end..].iter().position(|&v| (v != 0) == foreground) {
            let start = end + skipped;
            let length = row[start..].iter().position(|&v| (v != 0) != foreground);
            end = length.map_or(ni, |length| start + length);
            runs.push(Run { start, end, j, k });
        }
    }
    runs
}

/// The root of every run: the first run, in scan order, of its component.
fn join(runs: &[Run], shape: [usize; 3], connectivity: Connectivity) -> Vec<usize> {
    let [_, nj, nk] = shape;
    let mut row_starts = vec![0; nj * nk + 1];
    for run in runs {
        row_starts[run.k * nj + run.j + 1] += 1;
    }
    for row in 0..nj * nk {
        row_starts[row + 1] += row_starts[row];
    }
    let reach = connectivity.reach();
    let mut parents: Vec<usize> = (0..runs.len()).collect();
    for k in 0..nk {
        for j in 0..nj {
            let row = k * nj + j;
            for &(dj, dk) in connectivity.earlier_rows() {
                let (Some(other_j), Some(other_k)) = (
                    j.checked_add_signed(dj).filter(|&j| j < nj),
                    k.checked_add_signed(dk),
                ) else {
                    continue;
                };
                let other = other_k * nj + other_j;
                let (mut a, a_end) = (row_starts[row], row_starts[row + 1]);
                let (mut b, b_end) = (row_starts[other], row_starts[other + 1]);
                while a < a_end && b < b_end {
                    let (run, earlier) = (&runs[a], &runs[b]);
                    if run.start < earlier.end + reach && earlier.start < run.end + reach {
                        unite(&mut parents, a, b);
                    }
                    if run.end < earlier.end {
                        a += 1;
                    } else {
                        b += 1;
                    }
                }
            }
        }
    }
    // A parent never comes after its child, so one pass in order reaches the roots.
    for run in 0..parents.len() {
        parents[run] = parents[parents[run]];
    }
    parents
}

fn unite(parents: &mut [usize], a: usize, b: usize) {
    let (a, b) = (find(parents, a), find(parents, b));
    parents[a.max(b)] = a.min(b);
}

fn find(parents: &mut [usize], mut run: usize) -> usize {
    while parents[run] != run {
        parents[run] = parents[parents[run]];
        run = parents[run];
    }
    run
}

/// Voxels of every component of `mask`, in no particular order; see [`keep_largest`] for the layout.
///
/// # Errors
///
/// [`Error::Shape`].
pub fn component_sizes(
    mask: &[u8],
    shape: [usize; 3],
    connectivity: Connectivity,
) -> Result<Vec<u64>, Error> {
    check_shape(shape, mask.len())?;
    let components = Components::label(mask, shape, true, connectivity);
    let mut sizes = components.sum(|run| (run.end - run.start) as u64);
    sizes.retain(|&size| size > 0);
    Ok(sizes)
}

/// Clears all but the largest component of `mask`; returns its size in voxels.
///
/// `mask` fills `shape` with its first axis fastest; voxels that are not zero are in the mask.
/// Of several largest components the first in memory order stays.
///
/// # Errors
///
/// [`Error::Shape`]; [`Error::EmptyMask`] where no voxel is set.
pub fn keep_largest(
    mask: &mut [u8],
    shape: [usize; 3],
    connectivity: Connectivity,
) -> Result<u64, Error> {
    check_shape(shape, mask.len())?;
    let components = Components::label(mask, shape, true, connectivity);
    let sizes = components.sum(|run| (run.end - run.start) as u64);
    let largest = sizes
        .iter()
        .copied()
        .max()
        .filter(|&size| size > 0)
        .ok_or(Error::EmptyMask)?;
    let kept = sizes.iter().position(|&size| size == largest);
    for (run, &root) in components.runs.iter().zip(&components.roots) {
        if Some(root) != kept {
            mask[run.voxels(shape)].fill(0);
        }
    }
    Ok(largest)
}
