//! The shipped models give the same mask to the same head, however the scan was taken and stored.
#![cfg(feature = "embedded-model")]

#[path = "volume/sample.rs"]
#[allow(dead_code)]
mod sample;
mod shared;

use endocast::embedded::{DEFAULT, TINY, find};
use endocast::kernels::cpu::Cpu;
use endocast::volume::{FourD, Geometry, Scan, Version};
use endocast::{Extractor, Options};
use ndarray::{Array3, ShapeBuilder};
use sample::Nifti;
use shared::shared;

type Affine = [[f64; 4]; 3];

/// Least Dice of a variant's mask and the untouched scan's on the variant's grid.
const LEAST_DICE: f64 = 0.97;

fn apply(affine: &Affine, [x, y, z]: [f64; 3]) -> [f64; 3] {
    affine.map(|row| row[0] * x + row[1] * y + row[2] * z + row[3])
}

/// `a` after `b`.
fn after(a: &Affine, b: &Affine) -> Affine {
    let column = |i: usize| [b[0][i], b[1][i], b[2][i]];
    let mut product =
        a.map(|row| std::array::from_fn(|i| (0..3).map(|k| row[k] * column(i)[k]).sum::<f64>()));
    for (row, a) in product.iter_mut().zip(a) {
        row[3] += a[3];
    }
    product
}

/// Linear interpolation at a voxel position; 0 outside.
fn sample_at(volume: &Array3<f32>, position: [f64; 3]) -> f32 {
    let low = position.map(f64::floor);
    let mut sum = 0.0;
    for corner in 0..8 {
        let mut weight = 1.0;
        let index: [usize; 3] = std::array::from_fn(|axis| {
            let up = (corner >> axis & 1) as f64;
            let fraction = position[axis] - low[axis];
            weight *= if up > 0.0 { fraction } else { 1.0 - fraction };
            (low[axis] + up) as isize as usize
        });
        if weight > 1e-9 {
            sum += weight * f64::from(volume.get(index).copied().unwrap_or(0.0));
        }
    }
    sum as f32
}

/// `volume` at the voxels of a grid of `shape`, which `to_source` maps to voxels of `volume`.
fn resample(volume: &Array3<f32>, shape: [usize; 3], to_source: &Affine) -> Array3<f32> {
    Array3::from_shape_fn(shape.f(), |(i, j, k)| {
        sample_at(volume, apply(to_source, [i, j, k].map(|n| n as f64)))
    })
}

fn scan(voxels: &Array3<f32>, affine: Affine) -> Scan {
    let mut nifti = Nifti::new(Version::One, false).typed(16, 4);
    for (dim, &extent) in nifti.dim[1..].iter_mut().zip(voxels.shape()) {
        *dim = extent as i64;
    }
    nifti.sform = affine;
    nifti.voxels = voxels.t().iter().map(|&v| v.into()).collect();
    Scan::from_bytes(&nifti.bytes(), "variant.nii", FourD::First).unwrap()
}

fn dice(a: &Array3<u8>, b: &Array3<u8>) -> f64 {
    let count = |of: fn(u8, u8) -> bool| {
        let pairs = a.iter().zip(b);
        pairs.filter(|&(&a, &b)| of(a, b)).count() as f64
    };
    2.0 * count(|a, b| a & b != 0) / (count(|a, _| a != 0) + count(|_, b| b != 0))
}

/// Another grid over the same head: its shape, its voxels in those of the untouched scan, and
/// whether its header tells where they are; if not, the header has the untouched one's axes.
struct Variant {
    name: &'static str,
    shape: [usize; 3],
    to_source: Affine,
    told: bool,
}

/// Voxels turned by `degrees` about every axis in turn, around the middle of a grid.
fn turned(shape: [usize; 3], spacing: [f64; 3], degrees: f64) -> Affine {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let middle = shape.map(|n| (n as f64 - 1.0) / 2.0);
    let diagonal = |d: [f64; 3], t: [f64; 3]| -> Affine {
        std::array::from_fn(|r| {
            std::array::from_fn(|c| {
                if c == 3 {
                    t[r]
                } else if c == r {
                    d[r]
                } else {
                    0.0
                }
            })
        })
    };
    let about = |axis: usize| -> Affine {
        let (i, j) = ((axis + 1) % 3, (axis + 2) % 3);
        let mut turn = diagonal([1.0; 3], [0.0; 3]);
        (turn[i][i], turn[i][j], turn[j][i], turn[j][j]) = (cos, -sin, sin, cos);
        turn
    };
    let to_mm = diagonal(spacing, std::array::from_fn(|a| -middle[a] * spacing[a]));
    let to_voxels = diagonal(spacing.map(|s| 1.0 / s), middle);
    let turn = after(&about(0), &after(&about(1), &about(2)));
    after(&to_voxels, &after(&turn, &to_mm))
}

fn variants(geometry: &Geometry) -> Vec<Variant> {
    let [ni, nj, nk] = geometry.shape;
    let spacing = geometry.spacing;
    let last = geometry.shape.map(|n| n as f64 - 1.0);
    let step = spacing.map(|s| 3.0 / s);
    let cut = [ni / 12, nj / 12, nk / 12];
    vec![
        Variant {
            name: "stored with other axes",
            shape: [nk, ni, nj],
            to_source: [
                [0.0, -1.0, 0.0, last[0]],
                [0.0, 0.0, 1.0, 0.0],
                [-1.0, 0.0, 0.0, last[2]],
            ],
            told: true,
        },
        Variant {
            name: "mirrored",
            shape: geometry.shape,
            to_source: [
                [-1.0, 0.0, 0.0, last[0]],
                [0.0, 1.0, 0.0, 0.0],
                [0.0, 0.0, 1.0, 0.0],
            ],
            told: false,
        },
        Variant {
            name: "resampled to 3 mm",
            shape: std::array::from_fn(|a| (last[a] / step[a]) as usize + 1),
            to_source: std::array::from_fn(|r| {
                std::array::from_fn(|c| if c == r { step[r] } else { 0.0 })
            }),
            told: true,
        },
        Variant {
            name: "cropped",
            shape: std::array::from_fn(|a| geometry.shape[a] - cut[a]),
            to_source: std::array::from_fn(|r| {
                std::array::from_fn(|c| match c {
                    3 => (cut[r] / 2) as f64,
                    c => f64::from(u8::from(c == r)),
                })
            }),
            told: true,
        },
        Variant {
            name: "turned, header tells",
            shape: geometry.shape,
            to_source: turned(geometry.shape, spacing, 20.0),
            told: true,
        },
        Variant {
            name: "turned head",
            shape: geometry.shape,
            to_source: turned(geometry.shape, spacing, 10.0),
            told: false,
        },
    ]
}

#[test]
fn a_head_keeps_its_mask() {
    let Some(images) = shared("images") else {
        return;
    };
    let path = images.join("T1_brainchop_t1_crop.nii.gz");
    let untouched = Scan::read(&path, FourD::First).unwrap();
    let geometry = untouched.geometry().clone();
    let options = Options {
        threads: 2,
        ..Options::default()
    };
    let mut models = [DEFAULT, TINY].map(|name| {
        let model = find(name, None, Cpu::detect()).unwrap().open().unwrap();
        let mut extractor = Extractor::new(model, &options).unwrap();
        let expected = extractor.extract(&untouched, false).unwrap().mask;
        (name, extractor, expected.mapv(f32::from))
    });
    let (voxels, _) = untouched.to_array();
    for variant in variants(&geometry) {
        let Variant {
            name,
            shape,
            to_source,
            told,
        } = variant;
        let affine = if told {
            after(&geometry.affine, &to_source)
        } else {
            geometry.affine
        };
        let varied = scan(&resample(&voxels, shape, &to_source), affine);
        for (model, extractor, expected) in &mut models {
            let mask = extractor.extract(&varied, false).unwrap().mask;
            let expected = resample(expected, shape, &to_source).mapv(|v| u8::from(v >= 0.5));
            let dice = dice(&mask, &expected);
            println!("{name}, {model}: Dice {dice:.4}");
            assert!(dice >= LEAST_DICE, "{name}, {model}: Dice {dice:.4}");
        }
    }
}
