//! Names for the directions of array axes.

use std::fmt;
use std::str::FromStr;

use super::Error;

/// Where the three axes of an array point, such as `RAS` or `LIA`.
///
/// The letters name the direction of growing index: left or right, posterior or anterior,
/// inferior or superior of the patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orientation([Direction; 3]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Direction {
    /// 0 right, 1 anterior, 2 superior.
    axis: usize,
    forward: bool,
}

const LETTERS: [[char; 2]; 3] = [['L', 'R'], ['P', 'A'], ['I', 'S']];

impl Orientation {
    /// First axis to the right, second to the front, third upwards.
    pub const RAS: Orientation = Orientation([
        Direction {
            axis: 0,
            forward: true,
        },
        Direction {
            axis: 1,
            forward: true,
        },
        Direction {
            axis: 2,
            forward: true,
        },
    ]);

    /// For every array axis: the millimetre axis (0 right, 1 anterior, 2 superior) and the sign.
    pub(crate) fn directions(&self) -> [(usize, f64); 3] {
        self.0.map(|d| (d.axis, if d.forward { 1.0 } else { -1.0 }))
    }
}

impl FromStr for Orientation {
    type Err = Error;

    fn from_str(name: &str) -> Result<Orientation, Error> {
        let direction = |letter: char| {
            (0..3).find_map(|axis| {
                let side = LETTERS[axis].iter().position(|&l| l == letter)?;
                Some(Direction {
                    axis,
                    forward: side == 1,
                })
            })
        };
        let directions: Option<Vec<Direction>> = name.chars().map(direction).collect();
        match directions.as_deref() {
            Some(&[a, b, c]) if a.axis != b.axis && b.axis != c.axis && c.axis != a.axis => {
                Ok(Orientation([a, b, c]))
            }
            _ => Err(Error::Orientation(name.to_owned())),
        }
    }
}

impl fmt::Display for Orientation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|d| write!(f, "{}", LETTERS[d.axis][usize::from(d.forward)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in ["RAS", "LIA", "PSR", "LPS"] {
            assert_eq!(name.parse::<Orientation>().unwrap().to_string(), name);
        }
        assert_eq!("RAS".parse(), Ok(Orientation::RAS));
    }

    #[test]
    fn anything_else_is_refused() {
        for name in ["", "RA", "RAR", "RLS", "ras", "RASS", "XYZ"] {
            assert_eq!(
                name.parse::<Orientation>(),
                Err(Error::Orientation(name.to_owned()))
            );
        }
    }
}
