//! Where the voxels are in the head.

use std::path::Path;

use super::error::Error;
use super::header::Header;

/// The grid of a volume.
///
/// Of a file the sform counts if its code is above 0, else the qform if its code is above 0, else
/// the bare voxel sizes (first voxel at the origin, axes towards right, anterior and superior).
/// Lengths in metres or micrometres are converted to millimetres.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    /// Number of voxels along each axis.
    pub shape: [usize; 3],
    /// From voxel indices `(i, j, k, 1)` to millimetres towards right, anterior and superior
    /// (RAS): one row per world axis.
    pub affine: [[f64; 4]; 3],
    /// Distance between neighbouring voxels along each axis in millimetres: the lengths of the
    /// affine's columns.
    pub spacing: [f64; 3],
}

/// Smallest volume of the parallelepiped spanned by the unit vectors of the voxel axes.
const MIN_UNIT_DETERMINANT: f64 = 1e-6;

/// Smallest voxel spacing in millimetres.
const MIN_SPACING: f64 = 1e-6;

/// Largest absolute value in an affine, in millimetres.
const MAX_LENGTH: f64 = 1e9;

/// How far two affine entries may differ for the grids to count as the same.
const SAME_GRID_MM: f64 = 1e-2;

impl Geometry {
    /// The grid with this shape and affine, or `None` if the affine's axes are parallel or shorter
    /// than a nanometre, or an entry is not finite or beyond a thousand kilometres.
    pub fn new(shape: [usize; 3], affine: [[f64; 4]; 3]) -> Option<Geometry> {
        let spacing = columns(&affine).map(length);
        let geometry = Geometry {
            shape,
            affine,
            spacing,
        };
        let bounded = affine
            .iter()
            .flatten()
            .all(|value| value.abs() <= MAX_LENGTH);
        let long = spacing.iter().all(|&length| length >= MIN_SPACING);
        let independent = determinant(&geometry.directions()).abs() >= MIN_UNIT_DETERMINANT;
        (bounded && long && independent).then_some(geometry)
    }

    /// The grid a header describes.
    pub(super) fn from_header(header: &Header, path: &Path) -> Result<Geometry, Error> {
        let (mut affine, name) = if header.sform_code() > 0 {
            (header.sform(), "sform")
        } else if header.qform_code() > 0 {
            voxel_sizes(header, path)?;
            (header.qform(), "qform")
        } else {
            let [x, y, z] = voxel_sizes(header, path)?;
            let affine = [[x, 0.0, 0.0, 0.0], [0.0, y, 0.0, 0.0], [0.0, 0.0, z, 0.0]];
            (affine, "pixdim")
        };
        let unit = header.millimetres_per_unit();
        affine.iter_mut().flatten().for_each(|value| *value *= unit);
        Geometry::new(header.shape(), affine).ok_or_else(|| Error::BadAffine {
            path: path.into(),
            name,
        })
    }

    /// From RAS millimetres to voxel indices. Not finite if `affine` has been changed to one that
    /// has no inverse.
    pub fn inverse(&self) -> [[f64; 4]; 3] {
        let [a, b, c] = self.affine;
        let minor = |p: [f64; 4], q: [f64; 4], i: usize, j: usize| p[i] * q[j] - p[j] * q[i];
        let det = a[0] * minor(b, c, 1, 2) - a[1] * minor(b, c, 0, 2) + a[2] * minor(b, c, 0, 1);
        let linear = [
            [minor(b, c, 1, 2), minor(c, a, 1, 2), minor(a, b, 1, 2)],
            [minor(b, c, 2, 0), minor(c, a, 2, 0), minor(a, b, 2, 0)],
            [minor(b, c, 0, 1), minor(c, a, 0, 1), minor(a, b, 0, 1)],
        ]
        .map(|row| row.map(|value| value / det));
        linear.map(|[x, y, z]| [x, y, z, -(x * a[3] + y * b[3] + z * c[3])])
    }

    /// For each voxel axis the world axis it follows most closely (0 left-right, 1
    /// posterior-anterior, 2 inferior-superior; each occurs once) and whether it points towards
    /// right, anterior or superior.
    pub fn axes(&self) -> [(usize, bool); 3] {
        const PERMUTATIONS: [[usize; 3]; 6] = [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ];
        let directions = self.directions();
        let fit = |order: &[usize; 3]| -> f64 {
            directions
                .iter()
                .zip(order)
                .map(|(direction, &world)| direction[world].abs())
                .sum()
        };
        let mut best = PERMUTATIONS[0];
        for order in PERMUTATIONS {
            if fit(&order) > fit(&best) {
                best = order;
            }
        }
        std::array::from_fn(|axis| (best[axis], directions[axis][best[axis]] > 0.0))
    }

    /// Where the three voxel axes point, such as `RAS` or `LPI`.
    pub fn orientation(&self) -> String {
        self.axes()
            .iter()
            .map(|&(world, positive)| match (world, positive) {
                (0, true) => 'R',
                (0, false) => 'L',
                (1, true) => 'A',
                (1, false) => 'P',
                (_, true) => 'S',
                (_, false) => 'I',
            })
            .collect()
    }

    /// Largest angle between a voxel axis and the world axis it follows, in degrees; 0 for a grid
    /// that is not oblique.
    pub fn oblique_angle(&self) -> f64 {
        let directions = self.directions();
        self.axes()
            .iter()
            .zip(directions)
            .map(|(&(world, _), direction)| {
                let across: f64 = (0..3)
                    .filter(|&other| other != world)
                    .map(|other| direction[other] * direction[other])
                    .sum();
                across.sqrt().atan2(direction[world].abs()).to_degrees()
            })
            .fold(0.0, f64::max)
    }

    /// Whether the other grid has the same shape and its affine differs by less than 0.01 mm in every
    /// entry, as rounding in a header may make it.
    pub fn is_same_grid(&self, other: &Geometry) -> bool {
        let entries = self.affine.iter().flatten();
        let mut pairs = entries.zip(other.affine.iter().flatten());
        self.shape == other.shape && pairs.all(|(a, b)| (a - b).abs() <= SAME_GRID_MM)
    }

    /// Unit vectors along the voxel axes in world coordinates.
    fn directions(&self) -> [[f64; 3]; 3] {
        columns(&self.affine).map(|column| {
            let length = length(column);
            column.map(|value| value / length)
        })
    }
}

fn columns(affine: &[[f64; 4]; 3]) -> [[f64; 3]; 3] {
    std::array::from_fn(|col| std::array::from_fn(|row| affine[row][col]))
}

fn length([x, y, z]: [f64; 3]) -> f64 {
    x.hypot(y).hypot(z)
}

fn determinant([a, b, c]: &[[f64; 3]; 3]) -> f64 {
    a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
}

/// `pixdim[1..=3]` without their signs.
fn voxel_sizes(header: &Header, path: &Path) -> Result<[f64; 3], Error> {
    let mut sizes = [0.0; 3];
    for (size, axis) in sizes.iter_mut().zip(1..) {
        let value = header.pixdim(axis);
        if value == 0.0 || !value.is_finite() {
            return Err(Error::BadSpacing {
                path: path.into(),
                axis,
                value,
            });
        }
        *size = value.abs();
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(affine: [[f64; 4]; 3]) -> Geometry {
        Geometry::new([4, 5, 6], affine).unwrap()
    }

    #[test]
    fn orientation_of_a_permuted_and_flipped_grid() {
        let lia = geometry([
            [-1.0, 0.0, 0.0, 10.0],
            [0.0, 0.0, 2.0, -20.0],
            [0.0, -3.0, 0.0, 30.0],
        ]);
        assert_eq!(lia.orientation(), "LIA");
        assert_eq!(lia.axes(), [(0, false), (2, false), (1, true)]);
        assert_eq!(lia.spacing, [1.0, 3.0, 2.0]);
        assert_eq!(lia.oblique_angle(), 0.0);
    }

    #[test]
    fn oblique_angle_of_a_rotation() {
        let (sin, cos) = 20f64.to_radians().sin_cos();
        let tilted = geometry([
            [2.0, 0.0, 0.0, 0.0],
            [0.0, cos, -sin * 3.0, 0.0],
            [0.0, sin, cos * 3.0, 0.0],
        ]);
        assert!((tilted.oblique_angle() - 20.0).abs() < 1e-9);
        assert_eq!(tilted.orientation(), "RAS");
    }

    #[test]
    fn inverse_undoes_the_affine() {
        let grid = geometry([
            [0.9, 0.1, -0.3, 12.0],
            [-0.2, 1.1, 0.4, -7.0],
            [0.5, -0.1, 2.8, 33.0],
        ]);
        let point = [3.0, -5.0, 7.0];
        let apply = |matrix: [[f64; 4]; 3], [x, y, z]: [f64; 3]| {
            matrix.map(|[a, b, c, d]| a * x + b * y + c * z + d)
        };
        let back = apply(grid.inverse(), apply(grid.affine, point));
        for (value, expected) in back.iter().zip(point) {
            assert!((value - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn degenerate_affines_are_refused() {
        let flat = [
            [1.0, 0.0, 1.0, 0.0],
            [0.0, 1.0, 1.0, 0.0],
            [0.0, 0.0, 0.0, 0.0],
        ];
        let zero = [[0.0; 4]; 3];
        let mut nan = [
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
        ];
        nan[1][3] = f64::NAN;
        for affine in [flat, zero, nan] {
            assert_eq!(Geometry::new([2, 2, 2], affine), None);
        }
    }
}
