//! The surface of a mask as a mesh of triangles.
//!
//! Marching cubes over the mask with a ring of background around it: one vertex halfway along every
//! voxel edge that the border crosses, and in each cell of eight voxel centres the loops that
//! `cells` finds. Mask voxels that touch only along an edge or at a corner stay apart, so that
//! every mesh is a closed manifold: each edge has two triangles, and they agree on which side is
//! outside.

mod cells;
mod error;
mod smooth;
mod write;

use std::collections::HashMap;

use ndarray::Array3;

pub use error::Error;
pub use write::Format;

use crate::pre::affine::{self, Affine};
use cells::{CORNERS, Cell, EDGES};

/// Triangles with their corners in RAS mm, anticlockwise seen from outside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mesh {
    /// Points in mm towards right, anterior and superior.
    pub vertices: Vec<[f32; 3]>,
    /// Three indices of vertices each.
    pub triangles: Vec<[u32; 3]>,
}

impl Mesh {
    /// The smoothed surface of the voxels of `mask` that are not 0; `affine` maps voxel indices to
    /// RAS mm. Steps between voxels are evened out by less than a voxel.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`].
    pub fn of_mask(mask: &Array3<u8>, affine: &Affine) -> Result<Mesh, Error> {
        let mut mesh = Mesh::stepped(mask, affine)?;
        smooth::taubin(&mut mesh);
        Ok(mesh)
    }

    /// The surface before smoothing.
    fn stepped(mask: &Array3<u8>, affine: &Affine) -> Result<Mesh, Error> {
        let table: Vec<Cell> = (0..=u8::MAX).map(Cell::new).collect();
        let mut builder = Builder {
            mesh: Mesh::default(),
            edges: HashMap::new(),
            affine,
        };
        let extent: [usize; 3] = mask.dim().into();
        // A cell's place is that of its first corner, counted from one voxel before the mask.
        let inside = |[x, y, z]: [usize; 3]| {
            let voxel = [x.wrapping_sub(1), y.wrapping_sub(1), z.wrapping_sub(1)];
            mask.get(voxel).is_some_and(|&value| value != 0)
        };
        for z in 0..=extent[2] {
            for y in 0..=extent[1] {
                for x in 0..=extent[0] {
                    let place = [x, y, z];
                    let mut code = 0;
                    for (bit, corner) in CORNERS.iter().enumerate() {
                        code |= u8::from(inside(add(place, *corner))) << bit;
                    }
                    for cycle in &table[code as usize].loops {
                        builder.fill(place, cycle)?;
                    }
                }
            }
        }
        if affine::determinant(affine) < 0.0 {
            builder.mesh.triangles.iter_mut().for_each(|t| t.swap(1, 2));
        }
        Ok(builder.mesh)
    }

    /// Volume inside in mL; negative if the triangles are inside out.
    pub fn volume_ml(&self) -> f64 {
        let six: f64 = self
            .triangles
            .iter()
            .map(|&triangle| {
                let [[ax, ay, az], [bx, by, bz], [cx, cy, cz]] =
                    triangle.map(|index| self.vertices[index as usize].map(f64::from));
                ax * (by * cz - bz * cy) - ay * (bx * cz - bz * cx) + az * (bx * cy - by * cx)
            })
            .sum();
        six / 6.0 / 1000.0
    }

    /// Whether every edge belongs to exactly two triangles that run along it in opposite directions.
    pub fn is_watertight(&self) -> bool {
        let mut directed: Vec<(u32, u32)> = self
            .triangles
            .iter()
            .flat_map(|&[a, b, c]| [(a, b), (b, c), (c, a)])
            .collect();
        let mut reversed: Vec<(u32, u32)> = directed.iter().map(|&(a, b)| (b, a)).collect();
        directed.sort_unstable();
        reversed.sort_unstable();
        let distinct = directed.windows(2).all(|pair| pair[0] != pair[1]);
        distinct && directed == reversed
    }
}

fn add(a: [usize; 3], b: [usize; 3]) -> [usize; 3] {
    std::array::from_fn(|axis| a[axis] + b[axis])
}

struct Builder<'a> {
    mesh: Mesh,
    /// The vertex on a grid edge: the edge's first corner and the axis it runs along.
    edges: HashMap<([usize; 3], usize), u32>,
    affine: &'a Affine,
}

impl Builder<'_> {
    /// Closes one loop of a cell's edges with triangles.
    fn fill(&mut self, place: [usize; 3], cycle: &[usize]) -> Result<(), Error> {
        let vertices: Result<Vec<u32>, Error> = cycle
            .iter()
            .map(|&edge| self.on_edge(place, edge))
            .collect();
        let vertices = vertices?;
        let triangles = &mut self.mesh.triangles;
        match vertices[..] {
            [a, b, c] => triangles.push([a, b, c]),
            [a, b, c, d] => triangles.extend([[a, b, c], [a, c, d]]),
            // A fan from one of the corners could lay an edge into the cell's face, where the
            // neighbour may have one too.
            _ => {
                let sum = vertices.iter().fold([0.0; 3], |sum, &vertex| {
                    let point = self.mesh.vertices[vertex as usize];
                    std::array::from_fn(|axis| sum[axis] + point[axis])
                });
                let middle = self.push(sum.map(|value| value / vertices.len() as f32))?;
                let next = vertices.iter().cycle().skip(1);
                let sides = vertices.iter().zip(next);
                self.mesh
                    .triangles
                    .extend(sides.map(|(&a, &b)| [middle, a, b]));
            }
        }
        Ok(())
    }

    fn on_edge(&mut self, place: [usize; 3], edge: usize) -> Result<u32, Error> {
        let (corner, axis) = EDGES[edge];
        let first = add(place, CORNERS[corner]);
        if let Some(&vertex) = self.edges.get(&(first, axis)) {
            return Ok(vertex);
        }
        let mut voxel = first.map(|index| index as f64 - 1.0);
        voxel[axis] += 0.5;
        let vertex = self.push(affine::apply(self.affine, voxel).map(|value| value as f32))?;
        self.edges.insert((first, axis), vertex);
        Ok(vertex)
    }

    fn push(&mut self, point: [f32; 3]) -> Result<u32, Error> {
        // The formats store indices in signed 32 bits.
        let index = i32::try_from(self.mesh.vertices.len()).map_err(|_| Error::TooLarge)?;
        self.mesh.vertices.push(point);
        Ok(index as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKEWED: Affine = [
        [-2.0, 0.1, 0.0, 5.0],
        [0.0, 1.5, 0.2, -3.0],
        [0.3, 0.0, 1.0, 8.0],
    ];

    /// Every second voxel by a linear congruence: full of voxels that touch at edges and corners.
    fn noise(seed: u32, share: u32) -> Array3<u8> {
        let mut state = seed;
        Array3::from_shape_fn([7, 6, 8], |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u8::from(state >> 16 & 0xff < share)
        })
    }

    #[test]
    fn every_pattern_is_closed_and_right_side_out() {
        for seed in 0..200 {
            let mask = noise(seed, 40 + seed);
            let voxels = mask.iter().filter(|&&value| value != 0).count();
            for affine in [SKEWED, SKEWED.map(|row| row.map(|value| -value))] {
                let mesh = Mesh::stepped(&mask, &affine).unwrap();
                assert!(mesh.is_watertight(), "seed {seed}");
                let expected = voxels as f64 * affine::determinant(&affine).abs() / 1000.0;
                let found = mesh.volume_ml();
                assert!(
                    voxels == 0 || (0.1..1.0).contains(&(found / expected)),
                    "{found}"
                );
                assert!(Mesh::of_mask(&mask, &affine).unwrap().is_watertight());
            }
        }
    }

    #[test]
    fn a_ball_has_its_volume_and_place() {
        let affine = [
            [1.0, 0.0, 0.0, -10.0],
            [0.0, 1.0, 0.0, -20.0],
            [0.0, 0.0, 2.0, 30.0],
        ];
        let radius = 12.0;
        let mask = Array3::from_shape_fn([30, 30, 16], |(i, j, k)| {
            let at = [i as f64 - 15.0, j as f64 - 15.0, 2.0 * k as f64 - 16.0];
            u8::from(at.iter().map(|v| v * v).sum::<f64>() <= radius * radius)
        });
        let mesh = Mesh::of_mask(&mask, &affine).unwrap();
        let ball = 4.0 / 3.0 * std::f64::consts::PI * radius.powi(3) / 1000.0;
        assert!(
            (mesh.volume_ml() / ball - 1.0).abs() < 0.03,
            "{}",
            mesh.volume_ml()
        );
        for &[x, y, z] in &mesh.vertices {
            let at = [f64::from(x) - 5.0, f64::from(y) + 5.0, f64::from(z) - 46.0];
            let found = at.iter().map(|v| v * v).sum::<f64>().sqrt();
            assert!((found - radius).abs() < 1.5, "{found}");
        }
        // Two for a sphere.
        let edges = mesh.triangles.len() * 3 / 2;
        assert_eq!(mesh.vertices.len() + mesh.triangles.len() - edges, 2);
    }

    #[test]
    fn a_mask_that_fills_the_grid_is_closed() {
        let mask = Array3::from_elem([3, 2, 2], 1);
        assert!(Mesh::stepped(&mask, &SKEWED).unwrap().is_watertight());
        let empty = Mesh::of_mask(&Array3::zeros([3, 3, 3]), &SKEWED).unwrap();
        assert_eq!(empty, Mesh::default());
    }
}
