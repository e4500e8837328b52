//! How an image becomes the network's input, and what the network's outputs mean.
//!
//! Stored in the model file as one line of `key=value` words separated by single spaces:
//!
//! ```text
//! route=conform grid=96 field_of_view_mm=240 orientation=RAS centre=mass:110
//!     intensity=percentiles:1:99.5:inside outputs=brain,tissue threshold=0.5
//! route=brainmage-ma grid=128 outputs=brain threshold=0.9
//! ```

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Largest grid edge a model may ask for, in voxels.
pub const MAX_GRID: usize = 1024;
/// Smallest and largest field of view a model may ask for, in millimetres.
pub const FIELD_OF_VIEW_MM: RangeInclusive<f64> = 1.0..=1e5;

/// What the pipeline around the network has to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessing {
    /// How the image is brought onto the network's grid.
    pub route: Route,
    /// Name of each output channel, in order; `brain` is the brain's probability.
    pub outputs: Vec<String>,
    /// A voxel belongs to the brain where its probability is at least this; within `0..1`.
    pub threshold: f64,
}

/// How an image is brought onto the network's grid.
#[derive(Clone, Debug, PartialEq)]
pub enum Route {
    /// `conform`: resampled to a cube of fixed size and orientation.
    Conform(Conform),
    /// `brainmage-ma`: BrainMaGe's modality-agnostic batch pipeline.
    BrainmageMa {
        /// Edge of the network's cubic grid, in voxels.
        grid: usize,
    },
    /// `brainmage-single`: BrainMaGe's single-run pipeline.
    BrainmageSingle {
        /// Edge of the network's cubic grid, in voxels.
        grid: usize,
    },
    /// `brainmage-multi-4`: BrainMaGe's pipeline for T1, T2, T1 with contrast and FLAIR.
    BrainmageMulti4 {
        /// Edge of the network's cubic grid, in voxels.
        grid: usize,
    },
}

impl Route {
    /// Edge of the network's cubic grid, in voxels.
    pub fn grid(&self) -> usize {
        match *self {
            Route::Conform(Conform { grid, .. })
            | Route::BrainmageMa { grid }
            | Route::BrainmageSingle { grid }
            | Route::BrainmageMulti4 { grid } => grid,
        }
    }

    /// Images of one head that it takes.
    pub fn channels(&self) -> usize {
        match self {
            Route::Conform(_) | Route::BrainmageMa { .. } | Route::BrainmageSingle { .. } => 1,
            Route::BrainmageMulti4 { .. } => 4,
        }
    }
}

/// A cube of `grid`³ voxels that covers `field_of_view_mm` along every axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conform {
    /// Edge of the cube, in voxels; `2..=1024`.
    pub grid: usize,
    /// Edge of the cube, in millimetres; `1..=100000`.
    pub field_of_view_mm: f64,
    /// Where the cube's axes point.
    pub orientation: Orientation,
    /// What lies at the cube's centre.
    pub centre: Centre,
    /// How intensities are scaled.
    pub intensity: Intensity,
}

/// The directions of growing depth, height and width: one letter each, of `R`/`L`, `A`/`P` and
/// `S`/`I`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orientation([u8; 3]);

impl Conform {
    /// The route of this project's own networks: `grid` voxels over 240 mm, RAS.
    pub const fn head(grid: usize) -> Conform {
        Conform {
            grid,
            field_of_view_mm: 240.0,
            orientation: Orientation::RAS,
            centre: Centre::Mass {
                max_depth_mm: 110.0,
            },
            intensity: Intensity::Percentiles {
                low: 1.0,
                high: 99.5,
                over: Region::Inside,
            },
        }
    }
}

impl Orientation {
    /// Depth to the right, height to the front, width upwards.
    pub const RAS: Orientation = Orientation(*b"RAS");
    /// Depth to the left, height downwards, width to the front.
    pub const LIA: Orientation = Orientation(*b"LIA");

    /// For depth, height and width: the axis in millimetre space (0 right, 1 anterior, 2 superior)
    /// along which the index grows, and the sign.
    pub fn directions(&self) -> [(usize, f64); 3] {
        self.0.map(|letter| match letter {
            b'R' => (0, 1.0),
            b'L' => (0, -1.0),
            b'A' => (1, 1.0),
            b'P' => (1, -1.0),
            b'S' => (2, 1.0),
            _ => (2, -1.0),
        })
    }

    /// The letters for depth, height and width.
    pub fn letters(&self) -> [char; 3] {
        self.0.map(char::from)
    }
}

/// What lies at a conformed cube's centre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Centre {
    /// `grid`: the centre of the image's own grid.
    Grid,
    /// `mass:DEPTH`: the centre of mass of the head, but not further below its crown than this.
    Mass {
        /// Millimetres, not negative.
        max_depth_mm: f64,
    },
}

/// How intensities are scaled to 0 to 1; voxels outside the image become 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Intensity {
    /// `percentiles:LOW:HIGH:REGION`: these percentiles become 0 and 1; values beyond are clipped.
    Percentiles {
        /// Percentage of voxels below 0; at least 0 and less than `high`.
        low: f64,
        /// Percentage of voxels below 1; at most 100.
        high: f64,
        /// Which voxels count.
        over: Region,
    },
    /// `min-max`: the smallest value inside the image becomes 0, the largest 1.
    MinMax,
}

/// Which voxels of the cube count towards a percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// `inside`: those inside the image.
    Inside,
    /// `cube`: all; those outside the image have the smallest value found inside.
    Cube,
}

/// Why a text is not a [`Preprocessing`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreprocessingError(String);

impl fmt::Display for PreprocessingError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "preprocessing: {}", self.0)
    }
}

impl std::error::Error for PreprocessingError {}

fn error(cause: impl Into<String>) -> PreprocessingError {
    PreprocessingError(cause.into())
}

impl FromStr for Orientation {
    type Err = PreprocessingError;

    fn from_str(text: &str) -> Result<Orientation, PreprocessingError> {
        let axis = |letter: u8| {
            [*b"RL", *b"AP", *b"SI"]
                .iter()
                .position(|a| a.contains(&letter))
        };
        let letters: [u8; 3] = text.as_bytes().try_into().map_err(|_| {
            error(format!(
                "orientation '{}' is not three letters",
                text.escape_default()
            ))
        })?;
        let mut axes = letters.map(axis);
        axes.sort_unstable();
        if axes != [Some(0), Some(1), Some(2)] {
            let cause = "does not name each of R/L, A/P and S/I once";
            return Err(error(format!(
                "orientation '{}' {cause}",
                text.escape_default()
            )));
        }
        Ok(Orientation(letters))
    }
}

impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.letters()
            .iter()
            .try_for_each(|letter| write!(f, "{letter}"))
    }
}

impl FromStr for Centre {
    type Err = PreprocessingError;

    fn from_str(text: &str) -> Result<Centre, PreprocessingError> {
        if text == "grid" {
            return Ok(Centre::Grid);
        }
        let depth = text.strip_prefix("mass:");
        let depth =
            depth.ok_or_else(|| error(format!("unknown centre '{}'", text.escape_default())))?;
        match real("centre", depth)? {
            max_depth_mm if max_depth_mm >= 0.0 => Ok(Centre::Mass { max_depth_mm }),
            _ => Err(error("a centre's depth is negative")),
        }
    }
}

impl fmt::Display for Centre {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Centre::Grid => f.write_str("grid"),
            Centre::Mass { max_depth_mm } => write!(f, "mass:{max_depth_mm}"),
        }
    }
}

impl FromStr for Intensity {
    type Err = PreprocessingError;

    fn from_str(text: &str) -> Result<Intensity, PreprocessingError> {
        let (low, high, over) = match text.split(':').collect::<Vec<_>>()[..] {
            ["min-max"] => return Ok(Intensity::MinMax),
            ["percentiles", low, high, "inside"] => (low, high, Region::Inside),
            ["percentiles", low, high, "cube"] => (low, high, Region::Cube),
            _ => {
                return Err(error(format!(
                    "unknown intensity '{}'",
                    text.escape_default()
                )));
            }
        };
        let (low, high) = (real("intensity", low)?, real("intensity", high)?);
        if !(0.0 <= low && low < high && high <= 100.0) {
            return Err(error(format!(
                "percentiles {low} and {high} are not in order in 0..=100"
            )));
        }
        Ok(Intensity::Percentiles { low, high, over })
    }
}

impl fmt::Display for Intensity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Intensity::Percentiles { low, high, over } => {
                let over = match over {
                    Region::Inside => "inside",
                    Region::Cube => "cube",
                };
                write!(f, "percentiles:{low}:{high}:{over}")
            }
            Intensity::MinMax => f.write_str("min-max"),
        }
    }
}

impl fmt::Display for Preprocessing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.route {
            Route::Conform(conform) => write!(
                f,
                "route=conform grid={} field_of_view_mm={} orientation={} centre={} intensity={}",
                conform.grid,
                conform.field_of_view_mm,
                conform.orientation,
                conform.centre,
                conform.intensity
            )?,
            Route::BrainmageMa { grid } => write!(f, "route=brainmage-ma grid={grid}")?,
            Route::BrainmageSingle { grid } => write!(f, "route=brainmage-single grid={grid}")?,
            Route::BrainmageMulti4 { grid } => write!(f, "route=brainmage-multi-4 grid={grid}")?,
        }
        write!(
            f,
            " outputs={} threshold={}",
            self.outputs.join(","),
            self.threshold
        )
    }
}

impl FromStr for Preprocessing {
    type Err = PreprocessingError;

    /// Reads the text form; keys may come in any order, but each exactly once and none unknown.
    fn from_str(text: &str) -> Result<Preprocessing, PreprocessingError> {
        let mut words = Words::split(text)?;
        let route = words.take("route")?;
        let grid = whole("grid", words.take("grid")?)?;
        if !(2..=MAX_GRID).contains(&grid) {
            return Err(error(format!("grid={grid} is not in 2..={MAX_GRID}")));
        }
        let route = match route {
            "conform" => {
                let field_of_view_mm = real("field_of_view_mm", words.take("field_of_view_mm")?)?;
                if !FIELD_OF_VIEW_MM.contains(&field_of_view_mm) {
                    return Err(error(format!(
                        "field_of_view_mm={field_of_view_mm} is out of range"
                    )));
                }
                Route::Conform(Conform {
                    grid,
                    field_of_view_mm,
                    orientation: words.take("orientation")?.parse()?,
                    centre: words.take("centre")?.parse()?,
                    intensity: words.take("intensity")?.parse()?,
                })
            }
            "brainmage-ma" => Route::BrainmageMa { grid },
            "brainmage-single" => Route::BrainmageSingle { grid },
            "brainmage-multi-4" => Route::BrainmageMulti4 { grid },
            _ => return Err(error(format!("unknown route '{}'", route.escape_default()))),
        };
        let outputs = output_names(words.take("outputs")?)?;
        let threshold = real("threshold", words.take("threshold")?)?;
        if !(0.0..=1.0).contains(&threshold) {
            return Err(error(format!("threshold={threshold} is not in 0..=1")));
        }
        words.finish()?;
        Ok(Preprocessing {
            route,
            outputs,
            threshold,
        })
    }
}

/// The `key=value` words not yet taken.
struct Words<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Words<'a> {
    fn split(text: &'a str) -> Result<Words<'a>, PreprocessingError> {
        let word = |word: &'a str| {
            word.split_once('=')
                .ok_or_else(|| error(format!("'{}' is not key=value", word.escape_default())))
        };
        text.split(' ')
            .map(word)
            .collect::<Result<_, _>>()
            .map(Words)
    }

    fn take(&mut self, key: &str) -> Result<&'a str, PreprocessingError> {
        let index = self.0.iter().position(|(name, _)| *name == key);
        let index = index.ok_or_else(|| error(format!("{key}= is missing")))?;
        Ok(self.0.remove(index).1)
    }

    fn finish(self) -> Result<(), PreprocessingError> {
        match self.0.first() {
            Some((key, _)) => Err(error(format!(
                "{}= is unknown or given twice",
                key.escape_default()
            ))),
            None => Ok(()),
        }
    }
}

fn whole(key: &str, text: &str) -> Result<usize, PreprocessingError> {
    text.parse().map_err(|_| {
        error(format!(
            "{key}: '{}' is not a whole number",
            text.escape_default()
        ))
    })
}

fn real(key: &str, text: &str) -> Result<f64, PreprocessingError> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(error(format!(
            "{key}: '{}' is not a finite number",
            text.escape_default()
        ))),
    }
}

fn output_names(text: &str) -> Result<Vec<String>, PreprocessingError> {
    let mut names: Vec<String> = Vec::new();
    for name in text.split(',') {
        let well_formed = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b));
        if !well_formed {
            return Err(error(format!(
                "'{}' is not an output name",
                name.escape_default()
            )));
        }
        if names.iter().any(|known| known == name) {
            return Err(error(format!("output '{name}' is named twice")));
        }
        names.push(name.into());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFORM: &str = "route=conform grid=96 field_of_view_mm=240 orientation=RAS centre=mass:110 \
                           intensity=percentiles:0.5:99.5:inside outputs=brain,tissue threshold=0.5";

    #[test]
    fn text_round_trips() {
        for text in [
            CONFORM,
            "route=brainmage-ma grid=128 outputs=brain threshold=0.9",
            "route=brainmage-single grid=128 outputs=brain threshold=0.9",
            "route=brainmage-multi-4 grid=128 outputs=brain threshold=0.9",
        ] {
            assert_eq!(text.parse::<Preprocessing>().unwrap().to_string(), text);
        }
        let parsed: Preprocessing = CONFORM.parse().unwrap();
        assert_eq!(parsed.outputs, ["brain", "tissue"]);
        assert_eq!(parsed.route.grid(), 96);
        for intensity in ["min-max", "percentiles:2:98:cube"] {
            assert_eq!(
                intensity.parse::<Intensity>().unwrap().to_string(),
                intensity
            );
        }
    }

    #[test]
    fn malformed_texts_are_refused() {
        for (from, to, cause) in [
            ("route=conform", "route=bent", "unknown route 'bent'"),
            ("grid=96", "grid=0", "grid=0 is not in"),
            ("grid=96", "grid=1025", "grid=1025 is not in"),
            ("grid=96", "grid=-1", "not a whole number"),
            (
                "grid=96",
                "grid=96 grid=96",
                "grid= is unknown or given twice",
            ),
            ("grid=96 ", "", "grid= is missing"),
            ("mm=240", "mm=0", "out of range"),
            ("mm=240", "mm=inf", "not a finite number"),
            ("RAS", "RLS", "each of R/L"),
            ("RAS", "RASP", "three letters"),
            ("mass:110", "left", "unknown centre"),
            ("mass:110", "mass:deep", "not a finite number"),
            ("mass:110", "mass:-1", "negative"),
            ("percentiles:0.5:99.5", "percentiles:60:40", "in order"),
            (
                "percentiles:0.5:99.5",
                "percentiles:60",
                "unknown intensity",
            ),
            ("brain,tissue", "brain,,tissue", "not an output name"),
            ("brain,tissue", "brain,brain", "named twice"),
            ("threshold=0.5", "threshold=1.5", "not in 0..=1"),
            (
                "threshold=0.5",
                "threshold=0.5 colour=red",
                "colour= is unknown",
            ),
            ("threshold=0.5", "threshold=0.5 ", "'' is not key=value"),
            ("threshold=0.5", "", "'' is not key=value"),
        ] {
            let text = CONFORM.replace(from, to);
            let error = text.parse::<Preprocessing>().unwrap_err().to_string();
            assert!(error.contains(cause), "{text}: {error}");
        }
    }
}
