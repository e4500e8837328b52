//! BrainMaGe's routes on real scans against `tools/py/dump_brainmage_routes.py`.

mod shared;

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use endocast::metrics::overlap;
use endocast::post::{self, brainmage as back};
use endocast::pre::brainmage::{prepare_agnostic, prepare_multi4, prepare_single};
use endocast::pre::{self, Image};
use endocast::volume::{FourD, Scan};
use ndarray::{Array3, ArrayView3, Axis};
use shared::shared;

const GRID: usize = 128;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The real values of a scan, first axis fastest, its shape and its spacing.
fn load(images: &Path, name: &str) -> (Vec<f64>, [usize; 3], [f64; 3]) {
    let scan = Scan::read(images.join(format!("{name}.nii.gz")), FourD::First).unwrap();
    let (values, _) = scan.to_array_f64();
    let geometry = scan.geometry();
    (
        values.into_raw_vec_and_offset().0,
        geometry.shape,
        geometry.spacing,
    )
}

/// The stand-in network of the Python script: contrast, three box blurs of 11 voxels per axis,
/// logistic.
fn stand_in(cube: ArrayView3<f32>) -> Array3<f32> {
    let mut values = cube.mapv(|v| (4.0 * f64::from(v)).clamp(0.0, 1.0));
    for _ in 0..3 {
        for axis in 0..3 {
            for mut line in values.lanes_mut(Axis(axis)) {
                let padded = |n: usize| if n < GRID { line[n] } else { 0.0 };
                let mut sum: f64 = (0..5).map(padded).sum();
                let blurred: Vec<f64> = (0..GRID)
                    .map(|n| {
                        sum += padded(n + 5) - padded(n.wrapping_sub(6));
                        sum / 11.0
                    })
                    .collect();
                line.iter_mut()
                    .zip(blurred)
                    .for_each(|(value, blurred)| *value = blurred);
            }
        }
    }
    values.mapv(|v| (1.0 / (1.0 + (-30.0 * (v - 0.4)).exp())) as f32)
}

/// A golden text: `key value` lines, and `sample i j k value` lines.
struct Golden {
    values: HashMap<String, f64>,
    samples: Vec<([usize; 3], f64)>,
}

impl Golden {
    fn read(name: &str) -> Golden {
        let path = root().join("tests/data/brainmage").join(name);
        let text = std::fs::read_to_string(path).unwrap();
        let mut golden = Golden {
            values: HashMap::new(),
            samples: Vec::new(),
        };
        for line in text.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            if let ["sample", i, j, k, value] = fields[..] {
                let at = [i, j, k].map(|n| n.parse().unwrap());
                golden.samples.push((at, value.parse().unwrap()));
            } else {
                golden
                    .values
                    .insert(fields[0].into(), fields[1].parse().unwrap());
            }
        }
        golden
    }

    /// The network's input has the same moments and the same values at the sampled voxels.
    fn check(&self, name: &str, cube: ArrayView3<f32>) {
        assert_eq!(cube.dim(), (GRID, GRID, GRID));
        let values = cube.mapv(f64::from);
        let (mean, deviation) = (values.mean().unwrap(), values.std(0.0));
        assert!(
            (mean - self.values["mean"]).abs() < 1e-6,
            "{name}: mean {mean}"
        );
        assert!(
            (deviation - self.values["deviation"]).abs() < 1e-6,
            "{name}: {deviation}"
        );
        assert_eq!(self.samples.len(), 64);
        for &(at, expected) in &self.samples {
            assert!(
                (values[at] - expected).abs() < 1e-5,
                "{name}: {} {expected}",
                values[at]
            );
        }
    }
}

/// A mask of the Python script; see its `packed`.
fn unpack(name: &str, [ni, nj, nk]: [usize; 3]) -> Vec<u8> {
    let file = std::fs::File::open(root().join("tests/data/brainmage").join(name)).unwrap();
    let mut bytes = Vec::new();
    flate2::read::ZlibDecoder::new(file)
        .read_to_end(&mut bytes)
        .unwrap();
    let mut mask = vec![0; ni * nj * nk];
    let mut at = 0;
    for step in bytes.chunks_exact(4) {
        at += u32::from_le_bytes(step.try_into().unwrap()) as usize;
        mask[at] = 1;
    }
    for row in 0..nj * nk {
        if row % nj > 0 {
            for voxel in row * ni..(row + 1) * ni {
                mask[voxel] ^= mask[voxel - ni];
            }
        }
    }
    mask
}

fn check_mask(name: &str, found: &[u8], shape: [usize; 3], golden: &Golden) {
    let expected = unpack(&format!("{name}.mask"), shape);
    let count = expected.iter().filter(|&&v| v != 0).count();
    assert_eq!(count as f64, golden.values["voxels"], "{name}");
    let dice = overlap(found, &expected, shape, [1.0; 3]).unwrap().dice();
    assert!(dice >= 0.9999, "{name}: Dice {dice}");
}

fn check_scan(images: &Path, name: &str) {
    let (values, shape, spacing) = load(images, name);
    let image = Image::new(&values, shape, 1.0, 0.0).unwrap();

    let case = format!("{name}.agnostic");
    let golden = Golden::read(&format!("{case}.txt"));
    let (cube, plan) = prepare_agnostic(&image, spacing, GRID).unwrap();
    golden.check(&case, cube.view());
    let mask = back::restore_agnostic(stand_in(cube.view()).view(), &plan).unwrap();
    check_mask(&case, &mask, shape, &golden);

    let case = format!("{name}.single");
    let golden = Golden::read(&format!("{case}.txt"));
    let cube = prepare_single(&image, GRID).unwrap();
    golden.check(&case, cube.view());
    let mask = back::restore_single(stand_in(cube.view()).view(), shape).unwrap();
    check_mask(&case, &mask, shape, &golden);
}

macro_rules! scans {
    ($($test:ident $name:literal)*) => { $(
        #[test]
        fn $test() {
            if let Some(images) = shared("images") {
                check_scan(&images, $name);
            }
        }
    )* };
}

scans! {
    scaled_t1 "T1_ixi_IXI137-HH-1472"
    oblique_t1 "T1_openms_p20_study2"
    thick_slices "T1c_tcga_02-0003"
    echo_planar "EPI_allineate_fmri"
    diffusion_in_f64 "DWIb0_niivue"
}

#[test]
fn four_channels() {
    let Some(images) = shared("images") else {
        return;
    };
    let (values, shape, spacing) = load(&images, "EPI_allineate_fmri");
    let image = Image::new(&values, shape, 1.0, 0.0).unwrap();
    let channel = prepare_multi4(&image, spacing, GRID).unwrap();
    Golden::read("multi4.txt").check("multi4", channel.view());
    let cube = stand_in(channel.view());
    assert_eq!(
        back::restore_multi4(cube.view(), [240, 240, 160]),
        Err(post::Error::Multi4Shape([240, 240, 160]))
    );
    let mask = back::restore_multi4(cube.view(), [240, 240, 155]).unwrap();
    assert_eq!(mask.len(), 240 * 240 * 155);
}

#[test]
fn bad_images_are_errors() {
    let voxels = [0_u8; 60];
    let image = Image::new(&voxels, [3, 4, 5], 1.0, 0.0).unwrap();
    assert_eq!(
        prepare_single(&image, GRID),
        Err(pre::Error::IntensityScale(0.0))
    );
    for spacing in [[1.0, 0.0, 1.0], [1.0, f64::NAN, 1.0], [1e9, 1.0, 1.0]] {
        let error = prepare_agnostic(&image, spacing, GRID).unwrap_err();
        assert!(matches!(error, pre::Error::Spacing(_)));
    }
    let nothing = Array3::zeros([GRID; 3]);
    assert_eq!(
        back::restore_single(nothing.view(), [9; 3]),
        Err(post::Error::EmptyMask)
    );
}
