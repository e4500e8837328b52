//! The conform route and the way back, on analytic heads.

mod shared;

use endocast::metrics::overlap;
use endocast::post::{self, Restore};
use endocast::pre::{
    Affine, Centre, Conform, Conformed, Error, Image, Intensity, Orientation, Region, conform,
};
use endocast::volume::{FourD, Geometry, Scan};
use ndarray::Array3;
use shared::shared;

const ROUTE: Conform = Conform::head(64);

/// A scan of the analytic head below.
struct Phantom {
    voxels: Vec<i16>,
    shape: [usize; 3],
    affine: Affine,
}

/// Head and neck in RAS mm: an ellipsoid around the origin, brighter inside, on a column.
fn intensity([x, y, z]: [f64; 3]) -> f64 {
    let radius = ((x / 70.0).powi(2) + (y / 90.0).powi(2) + (z / 80.0).powi(2)).sqrt();
    let head = (20.0 * (1.0 - radius)).clamp(-30.0, 30.0);
    let neck = if z < 0.0 {
        (0.4 * (45.0 - x.hypot(y + 20.0))).clamp(-30.0, 30.0)
    } else {
        -30.0
    };
    let inside = 1.0 / (1.0 + (-head.max(neck)).exp());
    1000.0 * inside * (1.0 - 0.4 * radius.min(1.0)) + 20.0
}

fn apply(affine: &Affine, point: [f64; 3]) -> [f64; 3] {
    affine.map(|row| row[0] * point[0] + row[1] * point[1] + row[2] * point[2] + row[3])
}

fn point(affine: &Affine, index: [usize; 3]) -> [f64; 3] {
    apply(affine, index.map(|n| n as f64))
}

impl Phantom {
    fn new(shape: [usize; 3], affine: Affine) -> Phantom {
        let mut voxels = Vec::new();
        for k in 0..shape[2] {
            for j in 0..shape[1] {
                for i in 0..shape[0] {
                    voxels.push(intensity(point(&affine, [i, j, k])) as i16);
                }
            }
        }
        Phantom {
            voxels,
            shape,
            affine,
        }
    }

    /// Axes along `orientation`, voxels of `spacing` mm, centred near the origin, turned by
    /// `degrees` about the left-right axis.
    fn oriented(shape: [usize; 3], spacing: [f64; 3], orientation: &str, degrees: f64) -> Phantom {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let mut affine = [[0.0; 4]; 3];
        for (column, letter) in orientation.chars().enumerate() {
            let (axis, sign) = match letter {
                'R' => (0, 1.0),
                'L' => (0, -1.0),
                'A' => (1, 1.0),
                'P' => (1, -1.0),
                'S' => (2, 1.0),
                _ => (2, -1.0),
            };
            let mut direction = [0.0; 3];
            direction[axis] = sign * spacing[column];
            let [x, y, z] = direction;
            let turned = [x, cos * y - sin * z, sin * y + cos * z];
            for (row, value) in affine.iter_mut().zip(turned) {
                row[column] = value;
                row[3] -= value * (shape[column] - 1) as f64 / 2.0;
            }
        }
        Phantom::new(shape, affine)
    }

    fn conform(&self, route: &Conform) -> Result<Conformed, Error> {
        let image = Image::new(&self.voxels, self.shape, 1.0, 0.0)?;
        conform(route, &image, &self.affine)
    }
}

fn centre(conformed: &Conformed) -> [f64; 3] {
    let half = (conformed.voxels.len_of(ndarray::Axis(0)) - 1) as f64 / 2.0;
    conformed
        .affine
        .map(|row| row[3] + half * (row[0] + row[1] + row[2]))
}

#[test]
fn an_image_already_on_the_grid_is_only_rescaled() {
    let affine = [
        [1.0, 0.0, 0.0, 5.0],
        [0.0, 1.0, 0.0, -7.0],
        [0.0, 0.0, 1.0, 2.0],
    ];
    let voxels: Vec<u8> = (0..512_u32).map(|n| (n * 37 % 251) as u8).collect();
    let image = Image::new(&voxels, [8, 8, 8], 1.0, 0.0).unwrap();
    let route = Conform {
        grid: 8,
        field_of_view_mm: 8.0,
        centre: Centre::Grid,
        intensity: Intensity::MinMax,
        ..ROUTE
    };
    let conformed = conform(&route, &image, &affine).unwrap();
    assert_eq!(conformed.affine, affine);
    for ((i, j, k), value) in conformed.voxels.indexed_iter() {
        let expected = f32::from(voxels[i + 8 * (j + 8 * k)]) / 250.0;
        assert!((value - expected).abs() < 1e-6);
    }
}

#[test]
fn the_orientation_of_the_file_does_not_matter() {
    let reference = Phantom::oriented([100, 110, 120], [2.0; 3], "RAS", 0.0);
    let expected = reference.conform(&ROUTE).unwrap();
    for (orientation, shape) in [
        ("LPS", [100, 110, 120]),
        ("PSR", [110, 120, 100]),
        ("IRA", [120, 100, 110]),
    ] {
        let phantom = Phantom::oriented(shape, [2.0; 3], orientation, 0.0);
        let conformed = phantom.conform(&ROUTE).unwrap();
        for (a, b) in centre(&conformed).into_iter().zip(centre(&expected)) {
            assert!((a - b).abs() < 1e-6, "{orientation}");
        }
        let difference = (&conformed.voxels - &expected.voxels).mapv(f32::abs);
        assert!(difference.iter().all(|&d| d < 1e-5), "{orientation}");
    }
}

#[test]
fn the_cube_can_have_other_axes() {
    let phantom = Phantom::oriented([100, 110, 120], [2.0; 3], "LPS", 0.0);
    let ras = phantom.conform(&ROUTE).unwrap().voxels;
    let route = Conform {
        orientation: "LIA".parse::<Orientation>().unwrap(),
        ..ROUTE
    };
    let lia = phantom.conform(&route).unwrap().voxels;
    let n = ROUTE.grid - 1;
    for ((i, j, k), value) in lia.indexed_iter() {
        assert!((value - ras[[n - i, k, n - j]]).abs() < 1e-5);
    }
}

#[test]
fn oblique_and_thick_scans_sample_the_same_head() {
    for (shape, spacing, orientation, degrees) in [
        ([120, 120, 40], [1.9, 1.9, 6.0], "LPS", 14.0),
        ([230, 240, 220], [1.0; 3], "RAS", -25.0),
        ([60, 60, 60], [4.0; 3], "PIR", 9.0),
    ] {
        let phantom = Phantom::oriented(shape, spacing, orientation, degrees);
        let route = Conform {
            intensity: Intensity::MinMax,
            ..ROUTE
        };
        let conformed = phantom.conform(&route).unwrap();
        let mut errors = Vec::new();
        for ((i, j, k), &value) in conformed.voxels.indexed_iter() {
            let expected = intensity(point(&conformed.affine, [i, j, k])) - 20.0;
            if value > 0.0 {
                errors.push((f64::from(value) - expected / 980.0).abs());
            }
        }
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        assert!(mean < 0.02, "{orientation}: {mean}");
    }
}

#[test]
fn a_long_neck_does_not_drag_the_cube_down() {
    let phantom = Phantom::oriented([70, 80, 200], [3.0; 3], "RAS", 0.0);
    let conformed = phantom.conform(&ROUTE).unwrap();
    // The crown is at 80 mm, so the centre is no lower than 30 mm below the origin.
    assert!(
        (centre(&conformed)[2] + 30.0).abs() < 4.0,
        "{:?}",
        centre(&conformed)
    );
    let short = Phantom::oriented([70, 80, 56], [3.0; 3], "RAS", 0.0);
    assert!(centre(&short.conform(&ROUTE).unwrap())[2] > -15.0);
}

#[test]
fn percentiles_over_the_grid_count_the_outside() {
    let phantom = Phantom::oriented([60, 70, 60], [2.0; 3], "RAS", 0.0);
    let percentiles = |over| Conform {
        intensity: Intensity::Percentiles {
            low: 2.0,
            high: 98.0,
            over,
        },
        ..ROUTE
    };
    let inside = phantom
        .conform(&percentiles(Region::Inside))
        .unwrap()
        .voxels;
    let grid = phantom.conform(&percentiles(Region::Cube)).unwrap().voxels;
    // With the dark outside counted the upper percentile is lower, so more voxels saturate.
    let saturated = |voxels: &Array3<f32>| voxels.iter().filter(|&&v| v == 1.0).count();
    assert!(saturated(&grid) > saturated(&inside));
    assert!(grid.iter().chain(&inside).all(|v| (0.0..=1.0).contains(v)));
}

#[test]
fn voxels_that_are_not_finite_count_as_zero() {
    let phantom = Phantom::oriented([50, 50, 50], [4.0; 3], "RAS", 0.0);
    let clean: Vec<f32> = phantom
        .voxels
        .iter()
        .map(|&v| if v < 100 { 0.0 } else { f32::from(v) })
        .collect();
    let dirty: Vec<f32> = clean
        .iter()
        .map(|&v| if v == 0.0 { f32::NAN } else { v })
        .collect();
    let [a, b] = [clean, dirty].map(|voxels| {
        let image = Image::new(&voxels, phantom.shape, 1.0, 0.0).unwrap();
        conform(&ROUTE, &image, &phantom.affine).unwrap().voxels
    });
    assert_eq!(a, b);
}

#[test]
fn bad_input_is_an_error() {
    let identity = [
        [1.0, 0.0, 0.0, 0.0],
        [0.0, 1.0, 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.0],
    ];
    let constant = [7_u8; 27];
    let image = Image::new(&constant, [3; 3], 2.0, 1.0).unwrap();
    assert_eq!(
        conform(&ROUTE, &image, &identity).unwrap_err(),
        Error::Constant(15.0)
    );
    let grid_centre = Conform {
        centre: Centre::Grid,
        ..ROUTE
    };
    assert_eq!(
        conform(&grid_centre, &image, &identity).unwrap_err(),
        Error::TooSmall
    );
    let fine = Conform {
        field_of_view_mm: 6.4,
        ..grid_centre
    };
    assert_eq!(
        conform(&fine, &image, &identity).unwrap_err(),
        Error::Constant(15.0)
    );
    let flat = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0; 4]];
    assert_eq!(
        conform(&ROUTE, &image, &flat).unwrap_err(),
        Error::SingularAffine
    );
    let shape = [3, 3, 4];
    assert_eq!(
        Image::new(&constant, shape, 1.0, 0.0).unwrap_err(),
        Error::Shape { shape, found: 27 }
    );
    for route in [
        Conform { grid: 1, ..ROUTE },
        Conform {
            field_of_view_mm: f64::NAN,
            ..ROUTE
        },
        Conform {
            intensity: Intensity::Percentiles {
                low: 9.0,
                high: 9.0,
                over: Region::Cube,
            },
            ..ROUTE
        },
    ] {
        assert!(matches!(
            conform(&route, &image, &identity),
            Err(Error::Route(_))
        ));
    }
}

/// A ball of 60 mm on the cube comes back as the same ball on any scan.
#[test]
fn a_ball_is_restored_on_any_scan() {
    let ball = |p: [f64; 3]| p.iter().map(|c| c * c).sum::<f64>().sqrt() - 60.0;
    for (shape, spacing, orientation, degrees) in [
        ([100, 110, 120], [2.0; 3], "RAS", 0.0),
        ([160, 30, 150], [1.5, 7.0, 1.5], "PIR", 0.0),
        ([110, 110, 50], [2.0, 2.0, 5.0], "LPS", 17.0),
    ] {
        let phantom = Phantom::oriented(shape, spacing, orientation, degrees);
        let conformed = phantom.conform(&ROUTE).unwrap();
        let probability = Array3::from_shape_fn([ROUTE.grid; 3], |(i, j, k)| {
            let outside = ball(point(&conformed.affine, [i, j, k]));
            (0.5 - outside / 10.0).clamp(0.0, 1.0) as f32
        });
        let restore = Restore::new(
            probability.view(),
            &conformed.affine,
            shape,
            &phantom.affine,
        )
        .unwrap();
        let mask = restore.mask(0.5).unwrap();
        let mut expected = Vec::new();
        for k in 0..shape[2] {
            for j in 0..shape[1] {
                for i in 0..shape[0] {
                    expected.push(u8::from(ball(point(&phantom.affine, [i, j, k])) < 0.0));
                }
            }
        }
        let dice = overlap(&mask, &expected, shape, spacing).unwrap().dice();
        assert!(dice > 0.99, "{orientation}: {dice}");
        let map = restore.probabilities();
        assert!(map.iter().zip(&mask).all(|(&p, &m)| (p >= 0.5) == (m == 1)));
        assert_eq!(restore.mask(1.5), Err(post::Error::EmptyMask));
    }
}

#[test]
fn thread_count_does_not_matter() {
    let phantom = Phantom::oriented([110, 110, 50], [2.0, 2.0, 5.0], "LPS", 17.0);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let conformed = phantom.conform(&ROUTE).unwrap();
            let voxels = conformed.voxels.view();
            let restore =
                Restore::new(voxels, &conformed.affine, phantom.shape, &phantom.affine).unwrap();
            let mask = restore.mask(0.4).unwrap();
            (conformed.voxels.clone(), conformed.affine, mask)
        })
    };
    assert_eq!(run(1), run(3));
}

/// A perfect network on real scans: its cube holds all of the brain, and what it says there comes
/// back as the mask it was made from.
#[test]
fn real_brains_fit_and_come_back() {
    let Some(data) = shared("") else { return };
    for name in [
        "T1_ixi_IXI204-HH-1651",
        "FLAIR_openms_p09_study2",
        "T1_openms_p20_study2",
        "T2_mni152_2mm",
    ] {
        let read = |folder: &str| {
            let path = data.join(folder).join(format!("{name}.nii.gz"));
            Scan::read(path, FourD::First).unwrap()
        };
        let scan = read("images");
        let Geometry {
            shape,
            affine,
            spacing,
        } = scan.geometry().clone();
        let voxels = scan.to_array().0.into_raw_vec_and_offset().0;
        let image = Image::new(&voxels, shape, 1.0, 0.0).unwrap();
        let conformed = conform(&Conform::head(96), &image, &affine).unwrap();

        // The mask's share of every cube voxel, from eight points in it.
        let reference = read("masks").to_array().0.mapv(|v| u8::from(v > 0.0));
        let to_scan = scan.geometry().inverse();
        let probability = Array3::from_shape_fn([96; 3], |(a, b, c)| {
            let points = (0..8).filter(|corner| {
                let at = [a, b, c];
                let shifted: [f64; 3] = std::array::from_fn(|axis| {
                    at[axis] as f64 + if corner >> axis & 1 == 1 { 0.25 } else { -0.25 }
                });
                let mm = apply(&conformed.affine, shifted);
                let index = apply(&to_scan, mm).map(f64::round);
                let [i, j, k] = index.map(|n| n as usize);
                index.iter().all(|&n| n >= 0.0) && reference.get((i, j, k)) == Some(&1)
            });
            points.count() as f32 / 8.0
        });
        let brain_ml =
            reference.iter().filter(|&&v| v != 0).count() as f64 * spacing.iter().product::<f64>();
        let cube_ml = probability.iter().sum::<f32>() as f64 * 2.5_f64.powi(3);
        assert!(
            (cube_ml / brain_ml - 1.0).abs() < 0.01,
            "{name}: {cube_ml} of {brain_ml}"
        );

        let restore = Restore::new(probability.view(), &conformed.affine, shape, &affine).unwrap();
        let mask = restore.mask(0.5).unwrap();
        let reference: Vec<u8> = reference.t().iter().copied().collect();
        let dice = overlap(&mask, &reference, shape, spacing).unwrap().dice();
        assert!(dice > 0.99, "{name}: Dice {dice}");
    }
}
