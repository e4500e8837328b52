//! Voxel-to-millimetre matrices.

/// Three rows of an affine map: `y = m[r][0] x0 + m[r][1] x1 + m[r][2] x2 + m[r][3]`.
pub type Affine = [[f64; 4]; 3];

/// The image of a point.
#[inline]
pub(crate) fn apply(map: &Affine, point: [f64; 3]) -> [f64; 3] {
    map.map(|row| row[0] * point[0] + row[1] * point[1] + row[2] * point[2] + row[3])
}

/// The map that applies `first`, then `second`.
pub(crate) fn compose(second: &Affine, first: &Affine) -> Affine {
    second.map(|row| {
        let mut result = [0.0, 0.0, 0.0, row[3]];
        for (factor, inner) in row.iter().zip(first) {
            for (sum, value) in result.iter_mut().zip(inner) {
                *sum += factor * value;
            }
        }
        result
    })
}

/// Volume of the parallelepiped that the axes span, negative where they turn the other way.
pub(crate) fn determinant([a, b, c]: &Affine) -> f64 {
    a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
}

/// The inverse map, or `None` where the axes are zero, parallel or not finite.
pub(crate) fn invert(map: &Affine) -> Option<Affine> {
    let cross = |a: &[f64; 4], b: &[f64; 4]| {
        [
            a[1] * b[2] - a[2] * b[1],
            a[2] * b[0] - a[0] * b[2],
            a[0] * b[1] - a[1] * b[0],
        ]
    };
    let [a, b, c] = map;
    let columns = [cross(b, c), cross(c, a), cross(a, b)];
    let determinant = a[0] * columns[0][0] + a[1] * columns[0][1] + a[2] * columns[0][2];
    let size = map
        .iter()
        .flat_map(|row| &row[..3])
        .fold(0.0, |m: f64, v| m.max(v.abs()));
    if !map.iter().flatten().all(|v| v.is_finite()) || determinant.abs() <= 1e-9 * size.powi(3) {
        return None;
    }
    let mut inverse = [[0.0; 4]; 3];
    for (r, row) in inverse.iter_mut().enumerate() {
        for c in 0..3 {
            row[c] = columns[c][r] / determinant;
            row[3] -= row[c] * map[c][3];
        }
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_undoes_an_oblique_map() {
        let map = [
            [0.9, 0.1, -0.2, 10.0],
            [-0.05, 0.7, 0.3, -40.0],
            [0.3, -0.25, 3.1, 7.0],
        ];
        let round_trip = compose(&invert(&map).unwrap(), &map);
        for (r, row) in round_trip.iter().enumerate() {
            for (c, value) in row.iter().enumerate() {
                assert!((value - f64::from(u8::from(r == c))).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn singular_and_non_finite_maps_have_no_inverse() {
        let flat = [
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [1.0, 1.0, 0.0, 0.0],
        ];
        assert_eq!(invert(&flat), None);
        let mut infinite = flat;
        infinite[2] = [0.0, 0.0, 1.0, f64::INFINITY];
        assert_eq!(invert(&infinite), None);
    }
}
