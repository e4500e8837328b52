//! Components, holes and distances against exhaustive searches on small random masks.

use endocast::ndarray::{Array3, ShapeBuilder};
use endocast::post::{
    Connectivity, Error, fill_holes, fill_holes_by_slice, keep_largest, move_border,
    signed_distance,
};
use proptest::prelude::*;

type Shape = [usize; 3];

fn mask() -> impl Strategy<Value = (Shape, Vec<u8>)> {
    (1..7_usize, 1..7_usize, 1..6_usize, 0.1..0.9_f64).prop_flat_map(|(ni, nj, nk, density)| {
        let voxel = prop::bool::weighted(density).prop_map(u8::from);
        prop::collection::vec(voxel, ni * nj * nk).prop_map(move |mask| ([ni, nj, nk], mask))
    })
}

fn indices([ni, nj, nk]: Shape) -> impl Iterator<Item = Shape> {
    (0..nk).flat_map(move |k| (0..nj).flat_map(move |j| (0..ni).map(move |i| [i, j, k])))
}

fn offset([ni, nj, _]: Shape, [i, j, k]: Shape) -> usize {
    (k * nj + j) * ni + i
}

fn are_neighbours(a: Shape, b: Shape, connectivity: Connectivity) -> bool {
    let steps: Vec<usize> = a.iter().zip(&b).map(|(a, b)| a.abs_diff(*b)).collect();
    let largest = steps.iter().max() == Some(&1);
    let faces = steps.iter().sum::<usize>() == 1;
    match connectivity {
        Connectivity::SliceFaces => faces && steps[2] == 0,
        Connectivity::Faces => faces,
        Connectivity::Corners => largest,
    }
}

/// Components in scan order, each a list of voxels, by flood fill over all pairs.
fn flood(mask: &[u8], shape: Shape, value: u8, connectivity: Connectivity) -> Vec<Vec<Shape>> {
    let mut left: Vec<Shape> = indices(shape)
        .filter(|&at| mask[offset(shape, at)] == value)
        .collect();
    let mut components = Vec::new();
    while !left.is_empty() {
        let mut component = vec![left.remove(0)];
        let mut next = 0;
        while next < component.len() {
            let from = component[next];
            let (near, far) = left
                .into_iter()
                .partition(|&to| are_neighbours(from, to, connectivity));
            component.extend::<Vec<Shape>>(near);
            left = far;
            next += 1;
        }
        components.push(component);
    }
    components
}

fn filled(mask: &[u8], shape: Shape, connectivity: Connectivity) -> Vec<u8> {
    let on_border = |at: &Shape| {
        (0..3).any(|axis| {
            let counts = axis < 2 || connectivity == Connectivity::Faces;
            counts && (at[axis] == 0 || at[axis] == shape[axis] - 1)
        })
    };
    let mut filled = mask.to_vec();
    for component in flood(mask, shape, 0, connectivity) {
        if !component.iter().any(on_border) {
            component
                .iter()
                .for_each(|&at| filled[offset(shape, at)] = 1);
        }
    }
    filled
}

proptest! {
    #[test]
    fn largest_component((shape, mask) in mask()) {
        for connectivity in [Connectivity::SliceFaces, Connectivity::Faces, Connectivity::Corners] {
            let components = flood(&mask, shape, 1, connectivity);
            let mut kept = mask.clone();
            let size = keep_largest(&mut kept, shape, connectivity);
            let Some(largest) = components.iter().rev().max_by_key(|component| component.len())
            else {
                prop_assert_eq!(size, Err(Error::EmptyMask));
                continue;
            };
            let mut expected = vec![0; mask.len()];
            largest.iter().for_each(|&at| expected[offset(shape, at)] = 1);
            prop_assert_eq!(size, Ok(largest.len() as u64));
            prop_assert_eq!(kept, expected);
        }
    }

    #[test]
    fn holes((shape, mask) in mask()) {
        let mut all = mask.clone();
        fill_holes(&mut all, shape).unwrap();
        prop_assert_eq!(all, filled(&mask, shape, Connectivity::Faces));
        let mut by_slice = mask.clone();
        fill_holes_by_slice(&mut by_slice, shape).unwrap();
        prop_assert_eq!(by_slice, filled(&mask, shape, Connectivity::SliceFaces));
    }

    #[test]
    fn distance_to_the_faces_of_the_mask(
        (shape, mask) in mask(),
        spacing in prop::array::uniform3(0.3..4.0_f64),
    ) {
        let distance = signed_distance(&mask, shape, spacing).unwrap();
        for at in indices(shape) {
            let inside = mask[offset(shape, at)] != 0;
            let nearest = indices(shape)
                .filter(|&to| (mask[offset(shape, to)] != 0) != inside)
                .map(|to| {
                    let gap = |axis: usize| {
                        let steps = at[axis].abs_diff(to[axis]) as f64;
                        (steps - 0.5).max(0.0) * spacing[axis]
                    };
                    (gap(0).powi(2) + gap(1).powi(2) + gap(2).powi(2)).sqrt()
                })
                .fold(f64::INFINITY, f64::min);
            let expected = if inside { -nearest } else { nearest };
            let found = f64::from(distance[offset(shape, at)]);
            prop_assert!(
                found == expected || (found - expected).abs() <= 1e-6 * nearest,
                "{found} is not {expected}"
            );
        }
    }
}

proptest! {
    #[test]
    fn a_moved_border_is_a_threshold_of_the_distance(
        (shape, mask) in mask(),
        spacing in prop::array::uniform3(0.3..4.0_f64),
        border in -3.0..6.0_f32,
    ) {
        let distance = signed_distance(&mask, shape, spacing).unwrap();
        let expected: Vec<u8> = distance.iter().map(|&d| u8::from(d <= border)).collect();
        let mask = Array3::from_shape_vec(shape.f(), mask).unwrap();
        match move_border(&mask, spacing, border) {
            Ok(moved) => prop_assert_eq!(moved.t().iter().copied().collect::<Vec<_>>(), expected),
            Err(Error::EmptyMask) => prop_assert!(expected.iter().all(|&voxel| voxel == 0)),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

#[test]
fn bad_arguments_are_errors() {
    let shape = [2, 2, 2];
    let error = Error::Shape { shape, found: 7 };
    assert_eq!(
        keep_largest(&mut [1; 7], shape, Connectivity::Corners),
        Err(error.clone())
    );
    assert_eq!(fill_holes(&mut [1; 7], shape), Err(error.clone()));
    assert_eq!(signed_distance(&[1; 7], shape, [1.0; 3]), Err(error));
    let spacing = [1.0, 0.0, 1.0];
    assert_eq!(
        signed_distance(&[1; 8], shape, spacing),
        Err(Error::Spacing(spacing))
    );
    assert_eq!(
        keep_largest(&mut [], [0, 2, 2], Connectivity::Faces),
        Err(Error::Shape {
            shape: [0, 2, 2],
            found: 0
        })
    );
    let overflow = [usize::MAX, 2, 2];
    assert!(matches!(
        fill_holes(&mut [0; 4], overflow),
        Err(Error::Shape { .. })
    ));
}
