//! Scans and masks with something wrong with them.

use endocast::post::signed_distance;
use endocast::volume::{FourD, Geometry, Scan};
use endocast_tools::synthetic::uniform;
use ndarray::{Array3, Axis, ShapeBuilder};

/// A NIfTI-1 scan of `float32` voxels with `affine` as its sform.
pub fn scan(voxels: &Array3<f32>, affine: &[[f64; 4]; 3]) -> Scan {
    let mut file = vec![0; 352];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348_i32.to_le_bytes());
    let shape: [usize; 3] = voxels.dim().into();
    for (index, dim) in [3, shape[0], shape[1], shape[2], 1, 1, 1, 1]
        .into_iter()
        .enumerate()
    {
        put(40 + 2 * index, &(dim as i16).to_le_bytes());
    }
    put(70, &16_i16.to_le_bytes());
    put(72, &32_i16.to_le_bytes());
    for index in 0..4 {
        put(76 + 4 * index, &1_f32.to_le_bytes());
    }
    put(108, &352_f32.to_le_bytes());
    put(123, &[2]);
    put(254, &1_i16.to_le_bytes());
    for (index, &value) in affine.iter().flatten().enumerate() {
        put(280 + 4 * index, &(value as f32).to_le_bytes());
    }
    put(344, b"n+1\0");
    file.extend(voxels.t().iter().flat_map(|voxel| voxel.to_le_bytes()));
    Scan::from_bytes(&file, "corrupted.nii", FourD::First).unwrap()
}

/// The voxel axis that follows a world axis, and whether it points the same way.
fn axis(geometry: &Geometry, world: usize) -> (usize, bool) {
    let axes = geometry.axes();
    let axis = (0..3).find(|&axis| axes[axis].0 == world).unwrap();
    (axis, axes[axis].1)
}

/// Sets the voxels beyond `share` of the way along a world axis to `value`.
fn clear_beyond<T: Copy>(
    volume: &mut Array3<T>,
    geometry: &Geometry,
    world: usize,
    share: f64,
    value: T,
) {
    let (axis, positive) = axis(geometry, world);
    let count = volume.len_of(Axis(axis));
    for (index, mut plane) in volume.axis_iter_mut(Axis(axis)).enumerate() {
        let along = (index as f64 + 0.5) / count as f64;
        if (if positive { along } else { 1.0 - along }) > share {
            plane.fill(value);
        }
    }
}

/// The signed distance in mm from a mask's border, negative inside.
fn distance(mask: &Array3<u8>, geometry: &Geometry) -> Array3<f32> {
    let flat: Vec<u8> = mask.t().iter().copied().collect();
    let distance = signed_distance(&flat, geometry.shape, geometry.spacing).unwrap();
    Array3::from_shape_vec(geometry.shape.f(), distance).unwrap()
}

/// Where the middle of a mask is along a world axis, as a share of the field of view.
fn middle(mask: &Array3<u8>, geometry: &Geometry, world: usize) -> f64 {
    let (axis, positive) = axis(geometry, world);
    let counts: Vec<usize> = mask
        .axis_iter(Axis(axis))
        .map(|plane| plane.iter().filter(|&&inside| inside != 0).count())
        .collect();
    let half = counts.iter().sum::<usize>() / 2;
    let mut sum = 0;
    let index = counts
        .iter()
        .position(|count| {
            sum += count;
            sum >= half
        })
        .unwrap();
    let along = (index as f64 + 0.5) / counts.len() as f64;
    if positive { along } else { 1.0 - along }
}

/// A kind of input that no brain mask can be right for, or only part of one.
pub const SCANS: [&str; 12] = [
    "white noise",
    "phantom ball",
    "shifted out of view",
    "right half cut off",
    "top half cut off",
    "already stripped",
    "upside-down header",
    "axes swapped in header",
    "voxel sizes doubled",
    "voxel sizes halved",
    "CT-like",
    "CT-like, no negative values",
];

/// A scan spoilt in one of the ways of [`SCANS`]; `mask` is the brain mask of the good one.
pub fn spoil_scan(kind: &str, good: &Scan, mask: &Array3<u8>) -> Scan {
    let geometry = good.geometry();
    let mut affine = geometry.affine;
    let (mut voxels, _) = good.to_array();
    let median = {
        let mut inside: Vec<f32> = voxels
            .iter()
            .zip(mask)
            .filter(|(_, m)| **m != 0)
            .map(|(&v, _)| v)
            .collect();
        inside.sort_by(f32::total_cmp);
        inside[inside.len() / 2]
    };
    let ball = |(i, j, k): (usize, usize, usize)| {
        let at = [i, j, k];
        let square = |axis: usize| {
            let middle = (geometry.shape[axis] - 1) as f64 / 2.0;
            ((at[axis] as f64 - middle) * geometry.spacing[axis]).powi(2)
        };
        (0..3).map(square).sum::<f64>().sqrt() < 75.0
    };
    let noise = |at: (usize, usize, usize)| {
        let index = (at.0 * geometry.shape[1] + at.1) * geometry.shape[2] + at.2;
        uniform("noise", index) as f32
    };
    match kind {
        "white noise" => voxels
            .indexed_iter_mut()
            .for_each(|(at, v)| *v = 500.0 + 400.0 * noise(at)),
        "phantom ball" => voxels.indexed_iter_mut().for_each(|(at, v)| {
            *v = if ball(at) { 1000.0 } else { 10.0 } + 10.0 * noise(at);
        }),
        "shifted out of view" => {
            let (axis, positive) = axis(geometry, 2);
            let count = geometry.shape[axis];
            let shift = ((1.0 - middle(mask, geometry, 2)) * count as f64) as usize;
            let source = voxels.clone();
            for (index, mut plane) in voxels.axis_iter_mut(Axis(axis)).enumerate() {
                let from = if positive {
                    index.checked_sub(shift)
                } else {
                    Some(index + shift)
                };
                match from.filter(|&from| from < count) {
                    Some(from) => plane.assign(&source.index_axis(Axis(axis), from)),
                    None => plane.fill(0.0),
                }
            }
        }
        "right half cut off" => {
            let share = middle(mask, geometry, 0);
            clear_beyond(&mut voxels, geometry, 0, share, 0.0);
        }
        "top half cut off" => {
            let share = middle(mask, geometry, 2);
            clear_beyond(&mut voxels, geometry, 2, share, 0.0);
        }
        "already stripped" => voxels.zip_mut_with(mask, |v, &inside| *v *= f32::from(inside)),
        "upside-down header" => affine[2] = affine[2].map(|value| -value),
        "axes swapped in header" => affine.swap(1, 2),
        "voxel sizes doubled" => affine.as_flattened_mut().iter_mut().for_each(|v| *v *= 2.0),
        "voxel sizes halved" => affine.as_flattened_mut().iter_mut().for_each(|v| *v *= 0.5),
        "CT-like" | "CT-like, no negative values" => {
            let from_brain = distance(mask, geometry);
            let offset = if kind == "CT-like" { 0.0 } else { 1024.0 };
            voxels.indexed_iter_mut().for_each(|(at, v)| {
                let tissue = *v > 0.2 * median;
                let value = match from_brain[at] {
                    d if d < 0.0 => 35.0 + 10.0 * (*v / median - 1.0).clamp(-1.0, 1.0),
                    d if d < 7.0 => 1000.0,
                    _ if tissue => 40.0,
                    _ => -1000.0,
                };
                *v = value + 4.0 * noise(at) + offset;
            });
        }
        other => panic!("no such corruption: {other}"),
    }
    scan(&voxels, &affine)
}

/// A way for a mask to be wrong though its scan is good.
pub const MASKS: [&str; 7] = [
    "dilated by 5 mm",
    "dilated by 10 mm",
    "eroded by 5 mm",
    "eroded by 10 mm",
    "right half missing",
    "top half missing",
    "moved by 20 mm",
];

/// A mask spoilt in one of the ways of [`MASKS`].
pub fn spoil_mask(kind: &str, mask: &Array3<u8>, geometry: &Geometry) -> Array3<u8> {
    let grown = |border: f32| distance(mask, geometry).mapv(|d| u8::from(d <= border));
    let without = |world: usize| {
        let mut rest = mask.clone();
        let share = middle(mask, geometry, world);
        clear_beyond(&mut rest, geometry, world, share, 0);
        rest
    };
    match kind {
        "dilated by 5 mm" => grown(5.0),
        "dilated by 10 mm" => grown(10.0),
        "eroded by 5 mm" => grown(-5.0),
        "eroded by 10 mm" => grown(-10.0),
        "right half missing" => without(0),
        "top half missing" => without(2),
        "moved by 20 mm" => {
            let (axis, _) = axis(geometry, 1);
            let shift = (20.0 / geometry.spacing[axis]).round() as usize;
            let mut moved = Array3::zeros(mask.raw_dim().f());
            for (index, mut plane) in moved.axis_iter_mut(Axis(axis)).enumerate() {
                if let Some(from) = index.checked_sub(shift) {
                    plane.assign(&mask.index_axis(Axis(axis), from));
                }
            }
            moved
        }
        other => panic!("no such corruption: {other}"),
    }
}
