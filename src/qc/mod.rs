//! Whether a brain mask looks right, without a reference.
//!
//! [`inspect`] measures the mask, the scan around it and, where the network's own answer is at hand, how
//! sure that was. Every measure has a usual range and a limit beyond which no good mask was seen; it scores
//! 1 inside the range, 0 at the limit, in a straight line between, and warns below one half. The score of
//! the whole is the lowest of all. `docs/validation.md` says what this catches and what it does not.

mod certainty;
mod intensity;
mod limits;
mod sample;
mod shape;

use std::fmt;

use ndarray::Array3;

use crate::pre;
use crate::volume::Scan;

pub use certainty::Certainty;
use intensity::Intensities;
use limits::Limits;
use sample::Sample;
use shape::Layers;

/// Bytes that [`inspect`] needs at most beside scan and mask: five cubes of numbers and two of truths.
#[cfg(feature = "cli")]
pub(crate) const BYTES: usize = sample::EDGE.pow(3) * (5 * size_of::<f32>() + 2);

/// Score below which a measure warns and a mask is suspicious.
pub const SUSPICIOUS: f64 = 0.5;

/// Why a mask could not be inspected.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// No voxel is in the mask.
    EmptyMask,
    /// The mask does not have the scan's shape.
    Shape {
        /// Shape of the scan.
        expected: [usize; 3],
        /// Shape of the mask.
        found: [usize; 3],
    },
    /// The scan cannot be sampled.
    Pre(pre::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::EmptyMask => f.write_str("the mask is empty"),
            Error::Shape { expected, found } => write!(
                f,
                "a mask of {found:?} voxels does not fit a scan of {expected:?}"
            ),
            Error::Pre(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<pre::Error> for Error {
    fn from(cause: pre::Error) -> Error {
        Error::Pre(cause)
    }
}

/// One property of a mask.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// Name with unit, such as `volume_ml`.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// From 0, as no good mask has it, to 1, as most have it.
    pub score: f64,
}

/// What an inspection found.
#[derive(Clone, Debug, PartialEq)]
pub struct Quality {
    /// The lowest score of all measures, 0 to 1.
    pub score: f64,
    /// All that could be measured.
    pub measures: Vec<Measure>,
    /// One line for each measure that scores below [`SUSPICIOUS`].
    pub warnings: Vec<String>,
}

impl Quality {
    /// Whether a person should look at the mask before it is used.
    pub fn is_suspicious(&self) -> bool {
        self.score < SUSPICIOUS
    }
}

/// Inspects the mask of `scan`; voxels of `mask`, which has the scan's shape, are inside where they are
/// not 0.
///
/// # Errors
/// A mask that is empty or of another shape; a scan without a usable affine.
pub fn inspect(
    scan: &Scan,
    mask: &Array3<u8>,
    certainty: Option<&Certainty>,
) -> Result<Quality, Error> {
    let (expected, found) = (scan.geometry().shape, mask.dim().into());
    if found != expected {
        return Err(Error::Shape { expected, found });
    }
    let layers = Layers::of(mask).ok_or(Error::EmptyMask)?;
    let sample = Sample::new(scan, mask, layers.centre())?;
    let [right, anterior, superior] = shape::extents_mm(&sample.mask);
    let intensities = Intensities::new(&sample);
    let geometry = scan.geometry();
    let measured = |value: &dyn Fn(&Intensities) -> f64| intensities.as_ref().map(value);
    let certain = |value: &dyn Fn(&Certainty) -> f64| certainty.map(value);
    let values = [
        (&limits::VOLUME, Some(layers.volume_ml(geometry))),
        (&limits::WIDTH, Some(right)),
        (&limits::LENGTH, Some(anterior)),
        (&limits::HEIGHT, Some(superior)),
        (&limits::WIDTH_TO_LENGTH, Some(right / anterior)),
        (&limits::HEIGHT_TO_LENGTH, Some(superior / anterior)),
        (&limits::FLATNESS, shape::flatness(&sample.mask)),
        (&limits::TAPER, shape::taper(&sample.mask)),
        (&limits::SYMMETRY, shape::symmetry(&sample.mask)),
        (&limits::CUT, Some(layers.cut_cm2(geometry))),
        (&limits::MARGIN, Some(layers.margin_mm(geometry))),
        (&limits::COMPONENTS, certain(&|c| c.components as f64)),
        (&limits::LARGEST, certain(&|c| c.largest_share)),
        (&limits::BORDER, certain(&|c| c.border_step)),
        (&limits::CONTRAST, measured(&|i| i.contrast)),
        (&limits::ROUGHNESS, measured(&|i| i.roughness)),
        (&limits::OUTSIDE, measured(&|i| i.outside_ml)),
        (&limits::ABOVE, measured(&|i| i.above_mm)),
        (
            &limits::HOUNSFIELD,
            measured(&|i| f64::from(u8::from(i.hounsfield))),
        ),
        (&limits::SHELL, measured(&|i| i.shell)),
        (&limits::RIM, measured(&|i| i.rim)),
    ];
    Ok(grade(values))
}

fn grade<const N: usize>(values: [(&Limits, Option<f64>); N]) -> Quality {
    let mut quality = Quality {
        score: 1.0,
        measures: Vec::new(),
        warnings: Vec::new(),
    };
    for (limits, value) in values {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            continue;
        };
        let score = limits.score(value);
        quality.score = quality.score.min(score);
        quality.measures.push(Measure {
            name: limits.name,
            value,
            score,
        });
        if score < SUSPICIOUS {
            quality.warnings.push(limits.warning(value));
        }
    }
    quality
}
