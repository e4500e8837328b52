//! Smoothing that keeps the volume (Taubin, A Signal Processing Approach to Fair Surface Design,
//! 1995): each pass moves every vertex towards the mean of its neighbours, then a little farther back.

use super::Mesh;

const PASSES: usize = 10;
const FORWARD: f32 = 0.5;
const BACK: f32 = -0.53;

/// Smooths a closed mesh.
pub fn taubin(mesh: &mut Mesh) {
    for factor in [FORWARD, BACK].into_iter().cycle().take(2 * PASSES) {
        step(mesh, factor);
    }
}

fn step(mesh: &mut Mesh, factor: f32) {
    let mut sums = vec![([0.0; 3], 0.0); mesh.vertices.len()];
    // In a closed mesh every neighbour follows a vertex in exactly one triangle.
    for &[a, b, c] in &mesh.triangles {
        for (from, to) in [(a, b), (b, c), (c, a)] {
            let point = mesh.vertices[to as usize];
            let (sum, count) = &mut sums[from as usize];
            sum.iter_mut()
                .zip(point)
                .for_each(|(sum, value)| *sum += value);
            *count += 1.0;
        }
    }
    for (vertex, (sum, count)) in mesh.vertices.iter_mut().zip(sums) {
        for (value, sum) in vertex.iter_mut().zip(sum) {
            *value += factor * (sum / count - *value);
        }
    }
}
