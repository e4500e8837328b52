//! One-dimensional operations along the axes of a volume.
//!
//! Neighbouring lines are copied to a small tile first, so that every axis is read and written a
//! cache line at a time, whatever its stride. Lines are independent of each other: the result
//! does not depend on the number of threads.

use ndarray::{ArrayView2, ArrayView3, ArrayViewMut2, ArrayViewMut3, Axis};
use rayon::prelude::*;

/// Lines gathered at once; 16 `f32` fill a cache line.
const TILE: usize = 16;

/// Runs `op(source line, target line)` for every line along `axis`.
///
/// The two arrays have equal extents except along `axis`. Target lines start out as zeros.
pub(crate) fn map_lines<S, D>(
    source: ArrayView3<S>,
    mut target: ArrayViewMut3<D>,
    axis: usize,
    op: impl Fn(&[S], &mut [D]) + Sync,
) where
    S: Copy + Default + Send + Sync,
    D: Copy + Default + Send + Sync,
{
    let (across, outer) = other_axes(target.strides(), axis);
    let line_first = axis < across;
    let slices: Vec<_> = source
        .axis_iter(Axis(outer))
        .zip(target.axis_iter_mut(Axis(outer)))
        .collect();
    slices.into_par_iter().for_each(|(mut source, mut target)| {
        if !line_first {
            source.swap_axes(0, 1);
            target.swap_axes(0, 1);
        }
        let mut source_tile = vec![S::default(); source.len_of(Axis(0)) * TILE];
        let mut target_tile = vec![D::default(); target.len_of(Axis(0)) * TILE];
        for (source, mut target) in source
            .axis_chunks_iter(Axis(1), TILE)
            .zip(target.axis_chunks_iter_mut(Axis(1), TILE))
        {
            gather(source, &mut source_tile);
            target_tile.fill(D::default());
            let source_lines = source_tile.chunks_exact(source.len_of(Axis(0)).max(1));
            let target_lines = target_tile.chunks_exact_mut(target.len_of(Axis(0)).max(1));
            for (source, target) in source_lines.zip(target_lines).take(source.len_of(Axis(1))) {
                op(source, target);
            }
            scatter(&target_tile, target.view_mut());
        }
    });
}

/// Runs `op` on every line along `axis`, in place.
pub(crate) fn update_lines<T>(
    mut volume: ArrayViewMut3<T>,
    axis: usize,
    op: impl Fn(&mut [T]) + Sync,
) where
    T: Copy + Default + Send + Sync,
{
    let (across, outer) = other_axes(volume.strides(), axis);
    let line_first = axis < across;
    let slices: Vec<_> = volume.axis_iter_mut(Axis(outer)).collect();
    slices.into_par_iter().for_each(|mut slice| {
        if !line_first {
            slice.swap_axes(0, 1);
        }
        let length = slice.len_of(Axis(0));
        let mut tile = vec![T::default(); length * TILE];
        for mut part in slice.axis_chunks_iter_mut(Axis(1), TILE) {
            gather(part.view(), &mut tile);
            tile.chunks_exact_mut(length.max(1))
                .take(part.len_of(Axis(1)))
                .for_each(&op);
            scatter(&tile, part.view_mut());
        }
    });
}

/// The other two axes: the one with the smaller stride, then the one with the larger.
fn other_axes(strides: &[isize], axis: usize) -> (usize, usize) {
    let (a, b) = match axis {
        0 => (1, 2),
        1 => (0, 2),
        _ => (0, 1),
    };
    if strides[a].abs() <= strides[b].abs() {
        (a, b)
    } else {
        (b, a)
    }
}

/// Column `c` of `part` becomes the `c`-th line of `tile`.
fn gather<T: Copy>(part: ArrayView2<T>, tile: &mut [T]) {
    let length = part.len_of(Axis(0));
    if part.strides()[0] == 1 {
        for (column, line) in part
            .axis_iter(Axis(1))
            .zip(tile.chunks_exact_mut(length.max(1)))
        {
            line.iter_mut()
                .zip(column)
                .for_each(|(to, &from)| *to = from);
        }
        return;
    }
    for (p, row) in part.outer_iter().enumerate() {
        for (c, &value) in row.iter().enumerate() {
            tile[c * length + p] = value;
        }
    }
}

/// The inverse of [`gather`].
fn scatter<T: Copy>(tile: &[T], mut part: ArrayViewMut2<T>) {
    let length = part.len_of(Axis(0));
    for (p, mut row) in part.outer_iter_mut().enumerate() {
        for (c, value) in row.iter_mut().enumerate() {
            *value = tile[c * length + p];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, ShapeBuilder};

    fn counting(shape: [usize; 3], fortran: bool) -> Array3<f32> {
        let mut n = 0.0;
        Array3::from_shape_simple_fn(shape.set_f(fortran), || {
            n += 1.0;
            n
        })
    }

    #[test]
    fn maps_every_line_of_every_axis_and_layout() {
        for fortran in [false, true] {
            let source = counting([5, 33, 18], fortran);
            for axis in 0..3 {
                let mut shape = [5, 33, 18];
                shape[axis] = 2;
                let mut target = Array3::<f64>::zeros(shape);
                map_lines(source.view(), target.view_mut(), axis, |from, to| {
                    to[0] = from.iter().map(|&v| f64::from(v)).sum();
                    to[1] = f64::from(from[from.len() - 1]);
                });
                let sum = source.mapv(f64::from).sum_axis(Axis(axis));
                assert_eq!(target.index_axis(Axis(axis), 0), sum);
                let last = source.index_axis(Axis(axis), source.len_of(Axis(axis)) - 1);
                assert_eq!(target.index_axis(Axis(axis), 1), last.mapv(f64::from));
            }
        }
    }

    #[test]
    fn updates_in_place() {
        for axis in 0..3 {
            let source = counting([4, 17, 20], true);
            let mut reversed = source.clone();
            update_lines(reversed.view_mut(), axis, |line| line.reverse());
            let mut expected = source.view();
            expected.invert_axis(Axis(axis));
            assert_eq!(reversed, expected);
        }
    }
}
