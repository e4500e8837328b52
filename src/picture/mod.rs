//! Pictures of a scan with the outlines of masks on it.
//!
//! ```no_run
//! use endocast::picture::{Outline, Picture, ORANGE};
//! # fn picture(scan: &endocast::volume::Scan, mask: &ndarray::Array3<u8>) -> Result<(), Box<dyn std::error::Error>> {
//! let outlines = [Outline { mask, colour: ORANGE }];
//! let picture = Picture::three_planes(scan, &outlines, 1.0)?;
//! endocast::output::write("head.png".as_ref(), |file| picture.write_png(file))?;
//! # Ok(())
//! # }
//! ```

mod plane;

use std::fmt;
use std::io::{self, Write};

use ndarray::Array3;

use crate::pre::quantile::percentile;
use crate::volume::Scan;
use plane::{Axis, Plane};

/// Red, green and blue.
pub type Colour = [u8; 3];

/// For the mask that the picture is about.
pub const ORANGE: Colour = [255, 140, 0];
/// For a reference.
pub const GREEN: Colour = [60, 220, 90];

/// Pixels between two planes.
const GAP: usize = 4;

/// Most pixels along an edge of a plane; larger scans get larger pixels.
const MAX_EDGE: f64 = 1024.0;

/// Percentiles of a picture's values that become black and white.
const WINDOW: [f64; 2] = [1.0, 99.5];

/// A mask to draw the border of.
#[derive(Clone, Copy, Debug)]
pub struct Outline<'a> {
    /// Of the scan's shape; voxels that are not 0 are inside.
    pub mask: &'a Array3<u8>,
    /// Colour of the line.
    pub colour: Colour,
}

/// A mask that does not have the scan's shape.
#[derive(Debug)]
pub struct ShapeMismatch {
    /// Shape of the scan.
    pub expected: [usize; 3],
    /// Shape of the mask.
    pub found: [usize; 3],
}

impl fmt::Display for ShapeMismatch {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let ShapeMismatch { found, expected } = self;
        write!(
            f,
            "a mask of {found:?} voxels does not fit a scan of {expected:?}"
        )
    }
}

impl std::error::Error for ShapeMismatch {}

/// An image of 8-bit red, green and blue.
#[derive(Clone, Debug)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<Colour>,
}

impl Picture {
    /// An axial, a coronal and a sagittal plane side by side, through the centre of mass of the first
    /// outline's mask or, without one, the middle of the scan.
    ///
    /// Left, posterior and inferior are at the left or the bottom. Pixels have an edge of `pixel_mm`,
    /// more if a plane would exceed 1024 pixels. Planes follow the voxel axes, also of an oblique scan.
    /// Outlines are drawn in order, later ones over earlier ones.
    ///
    /// # Errors
    /// A mask of another shape.
    pub fn three_planes(
        scan: &Scan,
        outlines: &[Outline],
        pixel_mm: f64,
    ) -> Result<Picture, ShapeMismatch> {
        let geometry = scan.geometry();
        let expected = geometry.shape;
        let found = outlines.iter().map(|outline| outline.mask.dim().into());
        if let Some(found) = found.into_iter().find(|&found| found != expected) {
            return Err(ShapeMismatch { expected, found });
        }
        let first = outlines.first();
        let centre = first.and_then(|outline| centre_of_mass(outline.mask));
        let centre = centre.unwrap_or(expected.map(|extent| extent / 2));
        let edges = expected.iter().zip(geometry.spacing);
        let longest = edges.map(|(&n, s)| n as f64 * s).fold(0.0, f64::max);
        let pixel = pixel_mm.max(longest / MAX_EDGE);
        let [right, anterior, superior] = [0, 1, 2].map(|world| Axis::new(geometry, world, pixel));
        let planes = [
            Plane::new([right, anterior], centre),
            Plane::new([right, superior], centre),
            Plane::new([anterior, superior], centre),
        ];
        Ok(draw(scan, outlines, &planes))
    }

    /// Pixels across and down.
    pub fn size(&self) -> [usize; 2] {
        [self.width, self.height]
    }

    /// The pixel at `x` from the left and `y` from the top, if it exists.
    pub fn pixel(&self, x: usize, y: usize) -> Option<Colour> {
        let inside = x < self.width && y < self.height;
        inside.then(|| self.pixels[y * self.width + x])
    }

    /// Writes the picture as a PNG file.
    ///
    /// # Errors
    /// Those of `file`.
    pub fn write_png(&self, file: &mut dyn Write) -> io::Result<()> {
        let mut encoder = png::Encoder::new(file, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.pixels.as_flattened())?;
        Ok(writer.finish()?)
    }
}

/// The voxel nearest to the centre of mass.
fn centre_of_mass(mask: &Array3<u8>) -> Option<[usize; 3]> {
    let mut count = 0;
    let mut sums = [0; 3];
    for ((i, j, k), &inside) in mask.indexed_iter() {
        if inside != 0 {
            count += 1;
            sums[0] += i;
            sums[1] += j;
            sums[2] += k;
        }
    }
    (count > 0).then(|| sums.map(|sum| (sum + count / 2) / count))
}

/// Draws the planes side by side, aligned at the bottom.
fn draw(scan: &Scan, outlines: &[Outline], planes: &[Plane]) -> Picture {
    let width = planes
        .iter()
        .map(|plane| plane.size()[0] + GAP)
        .sum::<usize>()
        - GAP;
    let height = planes
        .iter()
        .map(|plane| plane.size()[1])
        .max()
        .unwrap_or(0);
    let mut pixels = vec![[0; 3]; width * height];

    let [ni, nj, _] = scan.geometry().shape;
    let value = |[i, j, k]: [usize; 3]| {
        let stored = scan.voxels().get((k * nj + j) * ni + i).unwrap_or(0.0);
        let value = scan.scaling().apply(stored) as f32;
        if value.is_finite() { value } else { 0.0 }
    };
    let grey: Vec<Vec<f32>> = planes.iter().map(|plane| plane.sample(value)).collect();
    let mut sorted = grey.concat();
    let [low, high] = WINDOW.map(|percent| percentile(&mut sorted, percent).unwrap_or(0.0) as f32);
    let scale = if high > low {
        255.0 / (high - low)
    } else {
        0.0
    };

    let mut left = 0;
    for (plane, grey) in planes.iter().zip(grey) {
        let [columns, rows] = plane.size();
        let lines: Vec<(Vec<bool>, Colour)> = outlines
            .iter()
            .map(|outline| (plane.outline(outline.mask), outline.colour))
            .collect();
        for (index, value) in grey.into_iter().enumerate() {
            let level = ((value - low) * scale) as u8;
            let drawn = lines.iter().rev().find(|(line, _)| line[index]);
            let y = height - rows + index / columns;
            pixels[y * width + left + index % columns] =
                drawn.map_or([level; 3], |(_, colour)| *colour);
        }
        left += columns + GAP;
    }
    Picture {
        width,
        height,
        pixels,
    }
}
