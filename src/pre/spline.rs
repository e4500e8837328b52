//! Spline resizing of whole volumes, as BrainMaGe's Python code does it.
//!
//! The reference is `skimage.transform.resize(..., mode="edge", clip=True)` of scikit-image 0.26
//! on SciPy 1.17: one n-dimensional zoom whose sample positions are `(i + 0.5) * old/new - 0.5`.
//! The cubic prefilter runs in `f64` over the image extended by 12 edge voxels, with half-sample
//! symmetric ends (SciPy 1.6 and later; 1.4 mirrored the unextended image, which differs in the
//! last few voxels at a border). All of it is linear and separable, so each axis is resized on
//! its own, the ones that shrink most first.

use ndarray::{Array3, ArrayView3, ShapeBuilder};

use super::lines::map_lines;

/// Edge voxels added before the cubic prefilter.
const MARGIN: usize = 12;

/// Degree of the interpolating spline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Degree {
    Linear,
    Cubic,
}

/// What happens before an axis is made smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AntiAlias {
    None,
    /// Gaussian of standard deviation `(old/new - 1) / 2` voxels, cut at four of them.
    Gaussian,
}

/// Resizes `image` to `shape`; the result is limited to the range of the input.
///
/// Axes keep their order; the result has its first axis fastest.
pub(crate) fn resize(
    image: ArrayView3<f64>,
    shape: [usize; 3],
    degree: Degree,
    anti_alias: AntiAlias,
) -> Array3<f64> {
    let ratio = |axis: usize| shape[axis] as f64 / image.shape()[axis] as f64;
    let mut axes = [0, 1, 2];
    axes.sort_by(|&a, &b| ratio(a).total_cmp(&ratio(b)));
    let mut resized: Option<Array3<f64>> = None;
    for axis in axes {
        let source = resized.as_ref().map_or(image, |resized| resized.view());
        if source.shape()[axis] == shape[axis] {
            continue;
        }
        let line = Line::new(source.shape()[axis], shape[axis], degree, anti_alias);
        let mut extent = [source.shape()[0], source.shape()[1], source.shape()[2]];
        extent[axis] = shape[axis];
        let mut target = Array3::zeros(extent.f());
        map_lines(source, target.view_mut(), axis, |from, to| {
            line.resize(from, to)
        });
        resized = Some(target);
    }
    let Some(mut resized) = resized else {
        return copy(image);
    };
    let (low, high) = image
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| {
            (low.min(v), high.max(v))
        });
    resized.mapv_inplace(|v| v.max(low).min(high));
    resized
}

fn copy(image: ArrayView3<f64>) -> Array3<f64> {
    let mut copy = Array3::zeros(image.raw_dim().f());
    copy.assign(&image);
    copy
}

/// Resizing of one line.
struct Line {
    degree: Degree,
    /// Half of a symmetric kernel, centre first.
    gaussian: Option<Vec<f64>>,
    /// First coefficient and weights of every target sample.
    taps: Vec<(usize, [f64; 4])>,
}

impl Line {
    fn new(old: usize, new: usize, degree: Degree, anti_alias: AntiAlias) -> Line {
        let factor = old as f64 / new as f64;
        let taps = (0..new).map(|i| {
            let position = (i as f64 + 0.5) * factor - 0.5;
            match degree {
                Degree::Linear => {
                    let position = position.clamp(0.0, (old - 1) as f64);
                    let first = (position as usize).min(old.saturating_sub(2));
                    let t = position - first as f64;
                    (first, [1.0 - t, t, 0.0, 0.0])
                }
                Degree::Cubic => {
                    let position = position + MARGIN as f64;
                    let t = position - position.floor();
                    (position as usize - 1, cubic_weights(t))
                }
            }
        });
        let sigma = (factor - 1.0) / 2.0;
        let gaussian = (anti_alias == AntiAlias::Gaussian && sigma > 0.0).then(|| gaussian(sigma));
        Line {
            degree,
            gaussian,
            taps: taps.collect(),
        }
    }

    fn resize(&self, from: &[f64], to: &mut [f64]) {
        let blurred = self.gaussian.as_ref().map(|kernel| blur(from, kernel));
        let from = blurred.as_deref().unwrap_or(from);
        let coefficients = match self.degree {
            Degree::Linear => None,
            Degree::Cubic => Some(cubic_coefficients(from)),
        };
        let coefficients = coefficients.as_deref().unwrap_or(from);
        for (to, (first, weights)) in to.iter_mut().zip(&self.taps) {
            *to = coefficients[*first..]
                .iter()
                .zip(weights)
                .map(|(c, w)| c * w)
                .sum();
        }
    }
}

/// Cubic B-spline basis at distance `t` past the second of four coefficients.
fn cubic_weights(t: f64) -> [f64; 4] {
    let u = 1.0 - t;
    [
        u * u * u / 6.0,
        (4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0,
        (4.0 - 6.0 * u * u + 3.0 * u * u * u) / 6.0,
        t * t * t / 6.0,
    ]
}

/// B-spline coefficients of a line extended by [`MARGIN`] edge samples at each end.
fn cubic_coefficients(line: &[f64]) -> Vec<f64> {
    let pole = 3.0_f64.sqrt() - 2.0;
    let (first, last) = (line[0], line[line.len() - 1]);
    let mut c = vec![6.0 * first; line.len() + 2 * MARGIN];
    let n = c.len();
    c[n - MARGIN..].fill(6.0 * last);
    for (c, v) in c[MARGIN..].iter_mut().zip(line) {
        *c = 6.0 * v;
    }
    // The sum over the half-sample symmetric extension; powers above the 60th are below 1e-34.
    let power = pole.powi(n.min(1000) as i32);
    let mut sum = c[0] + power * c[n - 1];
    let mut weight = pole;
    for i in 1..n.min(60) {
        sum += weight * (c[i] + power * c[n - 1 - i]);
        weight *= pole;
    }
    c[0] += sum * pole / (1.0 - power * power);
    for i in 1..n {
        c[i] += pole * c[i - 1];
    }
    c[n - 1] *= pole / (pole - 1.0);
    for i in (0..n - 1).rev() {
        c[i] = pole * (c[i + 1] - c[i]);
    }
    c
}

/// Half of a Gaussian kernel of unit sum, centre first.
fn gaussian(sigma: f64) -> Vec<f64> {
    let radius = (4.0 * sigma + 0.5) as usize;
    let mut kernel: Vec<f64> = (0..=radius)
        .map(|x| (-0.5 * (x as f64 / sigma).powi(2)).exp())
        .collect();
    let sum = 2.0 * kernel[1..].iter().sum::<f64>() + kernel[0];
    kernel.iter_mut().for_each(|k| *k /= sum);
    kernel
}

/// Symmetric convolution with edge samples repeated outside.
fn blur(line: &[f64], kernel: &[f64]) -> Vec<f64> {
    let last = line.len() - 1;
    (0..line.len())
        .map(|i| {
            let pairs = kernel.iter().enumerate().skip(1);
            pairs.fold(kernel[0] * line[i], |sum, (x, weight)| {
                sum + weight * (line[i.saturating_sub(x)] + line[(i + x).min(last)])
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the values that `tools/py/dump_brainmage_routes.py` computed with scikit-image.
    #[test]
    fn agrees_with_scikit_image() {
        for case in include_str!("../../tests/data/brainmage/resize.txt").lines() {
            let fields: Vec<&str> = case.split(' ').collect();
            let (degree, anti_alias) = match fields[0] {
                "linear" => (Degree::Linear, AntiAlias::None),
                "cubic" => (Degree::Cubic, AntiAlias::None),
                _ => (Degree::Cubic, AntiAlias::Gaussian),
            };
            let extent: Vec<usize> = fields[1..7].iter().map(|n| n.parse().unwrap()).collect();
            let image = Array3::from_shape_fn([extent[0], extent[1], extent[2]], |(i, j, k)| {
                ((i * 7 + j * 13 + k * 29) * 37 % 101) as f64 / 10.0
            });
            let shape = [extent[3], extent[4], extent[5]];
            let resized = resize(image.view(), shape, degree, anti_alias);
            assert_eq!(resized.t().len(), fields.len() - 7);
            for (found, expected) in resized.t().iter().zip(&fields[7..]) {
                let expected: f64 = expected.parse().unwrap();
                assert!(
                    (found - expected).abs() < 1e-8,
                    "{}: {found} {expected}",
                    &case[..24]
                );
            }
        }
    }
}
