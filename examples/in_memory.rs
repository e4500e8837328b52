//! A scan that never was a file, with distances: `cargo run --release --example in_memory`

use std::error::Error;

use endocast::volume::{Scaling, Scan};
use endocast::{Extractor, Options, embedded_model};

/// Ellipsoids one in another: half axes in mm, and brightness.
const LAYERS: [([f64; 3], i16); 5] = [
    ([84.0, 102.0, 88.0], 700),
    ([79.0, 97.0, 83.0], 80),
    ([73.0, 90.0, 76.0], 150),
    ([70.0, 86.0, 72.0], 450),
    ([62.0, 78.0, 64.0], 650),
];
const SHAPE: [usize; 3] = [64, 76, 64];
const SPACING_MM: f64 = 3.0;

fn main() -> Result<(), Box<dyn Error>> {
    let mut voxels: Vec<i16> = Vec::new();
    for index in 0..SHAPE.iter().product() {
        let at = [
            index % SHAPE[0],
            index / SHAPE[0] % SHAPE[1],
            index / SHAPE[0] / SHAPE[1],
        ];
        let mm = |axis: usize| SPACING_MM * (at[axis] as f64 - (SHAPE[axis] - 1) as f64 / 2.0);
        let is_inside = |axes: &[f64; 3]| {
            (0..3)
                .map(|axis| (mm(axis) / axes[axis]).powi(2))
                .sum::<f64>()
                < 1.0
        };
        let layer = LAYERS.iter().rfind(|(axes, _)| is_inside(axes));
        voxels.push(layer.map_or(0, |&(_, brightness)| brightness) + (index % 11) as i16);
    }
    let affine = [0, 1, 2].map(|axis| {
        let mut row = [0.0; 4];
        row[axis] = SPACING_MM;
        row[3] = -SPACING_MM * (SHAPE[axis] - 1) as f64 / 2.0;
        row
    });
    let scan = Scan::new(SHAPE, affine, voxels, Scaling::NONE)?;

    let mut extractor = Extractor::new(embedded_model()?, &Options::default())?;
    let found = extractor.extract(&scan, true)?;
    let distance = found.distance(scan.geometry())?;
    let count = |inside: &dyn Fn(f32) -> bool| distance.iter().filter(|&&d| inside(d)).count();
    let ml = SPACING_MM.powi(3) / 1000.0;
    println!("brain: {:.0} ml", count(&|d| d <= 0.0) as f64 * ml);
    println!("grown by 2 mm: {:.0} ml", count(&|d| d <= 2.0) as f64 * ml);
    let most = found
        .probabilities
        .iter()
        .flatten()
        .fold(0.0_f32, |a, &b| a.max(b));
    println!("highest probability: {most:.2}");
    Ok(())
}
