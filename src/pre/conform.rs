//! From a scan in any orientation and voxel size to the cube a network was trained on.

use endocast_weights::preprocessing::{Centre, Conform, Intensity, Region};
use ndarray::Array3;
use rayon::prelude::*;

use super::Error;
use super::affine::{self, Affine};
use super::image::{Image, Voxel};
use super::quantile::percentile;
use super::resample::resample;

/// Refuses numbers that no model file can hold.
fn check(route: &Conform) -> Result<(), Error> {
    let in_order = match route.intensity {
        Intensity::Percentiles { low, high, .. } => 0.0 <= low && low < high && high <= 100.0,
        Intensity::MinMax => true,
    };
    match route {
        _ if !(2..=1024).contains(&route.grid) => Err(Error::Route("grid is not 2 to 1024")),
        _ if !(1.0..=1e5).contains(&route.field_of_view_mm) => {
            Err(Error::Route("field of view is not 1 to 100000 mm"))
        }
        _ if !in_order => Err(Error::Route("percentiles are not in order within 0 to 100")),
        _ => Ok(()),
    }
}

/// Voxel index to RAS mm of the cube whose centre is at `centre`.
fn cube_affine(route: &Conform, centre: [f64; 3]) -> Affine {
    let voxel = route.field_of_view_mm / route.grid as f64;
    let half = (route.grid - 1) as f64 / 2.0;
    let mut map = centre.map(|c| [0.0, 0.0, 0.0, c]);
    for (column, (axis, sign)) in route.orientation.directions().into_iter().enumerate() {
        map[axis][column] = sign * voxel;
        map[axis][3] -= sign * voxel * half;
    }
    map
}

/// A conformed scan.
#[derive(Clone, Debug)]
pub struct Conformed {
    /// Intensities from 0 to 1 on a cube; the last axis is fastest.
    pub voxels: Array3<f32>,
    /// Cube index to RAS mm.
    pub affine: Affine,
}

/// Conforms `image`, whose voxel indices `affine` maps to RAS mm.
///
/// Oblique scans are sampled through the full matrix. See [`Conform`] for the choices and
/// `resample` for the weights: trilinear, or area-weighted where the cube is coarser than the
/// scan.
///
/// # Errors
///
/// [`Error::Route`], [`Error::SingularAffine`], [`Error::Constant`], [`Error::TooSmall`].
pub fn conform<T: Voxel>(
    route: &Conform,
    image: &Image<T>,
    affine: &Affine,
) -> Result<Conformed, Error> {
    check(route)?;
    let from_mm = affine::invert(affine).ok_or(Error::SingularAffine)?;
    let centre = match route.centre {
        Centre::Mass { max_depth_mm } => head_centre(image, affine, max_depth_mm)?,
        Centre::Grid => affine::apply(affine, image.shape().map(|n| (n - 1) as f64 / 2.0)),
    };
    let grid_affine = cube_affine(route, centre);
    let to_source = affine::compose(&from_mm, &grid_affine);
    let mut voxels = resample(image, &to_source, [route.grid; 3]);
    let (low, high) = intensity_range(&voxels, route.intensity).ok_or(Error::TooSmall)?;
    if low >= high {
        return Err(Error::Constant(low));
    }
    let (low, scale) = (low as f32, (1.0 / (high - low)) as f32);
    voxels.mapv_inplace(|v| {
        if v.is_nan() {
            0.0
        } else {
            ((v - low) * scale).clamp(0.0, 1.0)
        }
    });
    Ok(Conformed {
        voxels,
        affine: grid_affine,
    })
}

/// Thickness in mm of the layers that the crown is looked for in.
const LAYER_MM: f64 = 2.0;

/// Most layers a scan is cut into; a taller one gets thicker layers.
const MAX_LAYERS: f64 = 4096.0;

/// Share of the fullest layer's foreground that the crown's layer holds at least.
const CROWN_SHARE: f64 = 0.05;

/// Foreground of one slice of the scan.
struct Foreground {
    count: u64,
    index_sums: [u64; 3],
    /// Foreground voxels in each layer across the superior axis, lowest first.
    layers: Vec<u64>,
}

/// Finds the centre of the cube in mm for [`Centre::Mass`]: the centre of mass of the foreground
/// (voxels above the image mean, all of equal weight), but not lower than `max_depth_mm` below the
/// crown, so that a long neck does not drag the cube off the head.
///
/// The crown is the highest layer across the superior axis that holds at least [`CROWN_SHARE`] of
/// the foreground that the fullest layer holds.
fn head_centre<T: Voxel>(
    image: &Image<T>,
    affine: &Affine,
    max_depth_mm: f64,
) -> Result<[f64; 3], Error> {
    let [ni, nj, _] = image.shape();
    let slices: Vec<&[T]> = image.flat().chunks_exact(ni * nj).collect();
    let sums: Vec<f64> = slices.par_iter().map(|slice| sum(image, slice)).collect();
    let mean = sums.iter().sum::<f64>() / image.flat().len() as f64;

    let superior = affine[2];
    let span: [f64; 3] =
        std::array::from_fn(|axis| superior[axis] * (image.shape()[axis] - 1) as f64);
    let bottom = superior[3] + span.iter().map(|s| s.min(0.0)).sum::<f64>();
    let height = span.iter().map(|s| s.abs()).sum::<f64>();
    let thickness = LAYER_MM.max(height / MAX_LAYERS);
    let layer_count = (height / thickness) as usize + 1;

    let parts: Vec<Foreground> = slices
        .par_iter()
        .enumerate()
        .map(|(k, slice)| {
            let mut found = Foreground {
                count: 0,
                index_sums: [0; 3],
                layers: vec![0; layer_count],
            };
            for (j, row) in slice.chunks_exact(ni).enumerate() {
                let is_foreground = |&voxel: &T| image.value(voxel) > mean;
                let base = superior[1] * j as f64 + superior[2] * k as f64 + superior[3] - bottom;
                let layer = |i: usize| {
                    let layer = (base + superior[0] * i as f64) / thickness;
                    (layer as usize).min(layer_count - 1)
                };
                let (mut count, mut index_sum) = (0, 0);
                for (i, voxel) in row.iter().enumerate() {
                    let counts = u64::from(is_foreground(voxel));
                    count += counts;
                    index_sum += counts * i as u64;
                }
                found.count += count;
                found.index_sums[0] += index_sum;
                found.index_sums[1] += count * j as u64;
                if layer(0) == layer(ni - 1) {
                    found.layers[layer(0)] += count;
                } else {
                    let foreground = row
                        .iter()
                        .enumerate()
                        .filter(|(_, voxel)| is_foreground(voxel));
                    foreground.for_each(|(i, _)| found.layers[layer(i)] += 1);
                }
            }
            found.index_sums[2] = found.count * k as u64;
            found
        })
        .collect();

    let count: u64 = parts.iter().map(|part| part.count).sum();
    if count == 0 {
        return Err(Error::Constant(mean));
    }
    let centre_index: [f64; 3] = std::array::from_fn(|axis| {
        parts.iter().map(|part| part.index_sums[axis]).sum::<u64>() as f64 / count as f64
    });
    let layers: Vec<u64> = (0..layer_count)
        .map(|layer| parts.iter().map(|part| part.layers[layer]).sum())
        .collect();
    let fullest = layers.iter().copied().max().unwrap_or(0) as f64;
    let crown_layer = layers
        .iter()
        .rposition(|&n| n as f64 >= CROWN_SHARE * fullest)
        .unwrap_or(0);
    let crown = bottom + (crown_layer + 1) as f64 * thickness;

    let mut centre = affine::apply(affine, centre_index);
    centre[2] = centre[2].max(crown - max_depth_mm);
    Ok(centre)
}

/// Sum of the values of `voxels`, in eight interleaved parts that can be added side by side.
fn sum<T: Voxel>(image: &Image<T>, voxels: &[T]) -> f64 {
    let mut parts = [0.0; 8];
    for chunk in voxels.chunks(8) {
        for (part, &voxel) in parts.iter_mut().zip(chunk) {
            *part += image.value(voxel);
        }
    }
    parts.iter().sum()
}

/// The intensities that become 0 and 1; `None` where no voxel is inside the field of view.
fn intensity_range(voxels: &Array3<f32>, intensity: Intensity) -> Option<(f64, f64)> {
    let mut inside: Vec<f32> = voxels.iter().copied().filter(|v| !v.is_nan()).collect();
    let smallest = inside.iter().copied().fold(f32::INFINITY, f32::min);
    let (low, high) = match intensity {
        Intensity::MinMax => (0.0, 100.0),
        Intensity::Percentiles { low, high, over } => {
            if over == Region::Cube && !inside.is_empty() {
                inside.resize(voxels.len(), smallest);
            }
            (low, high)
        }
    };
    Some((
        percentile(&mut inside, low)?,
        percentile(&mut inside, high)?,
    ))
}
