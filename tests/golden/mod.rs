//! The tables of `tests/data/networks`, which `tools/py/dump_networks.py` writes.
#![allow(dead_code)] // Not every test needs everything.

use std::path::Path;

/// A value that PyTorch computed in double precision.
pub struct Voxel {
    /// Channel, z, y, x.
    pub at: [usize; 4],
    pub value: f64,
}

impl Voxel {
    /// Position in `[channel][z][y][x]` of cubes with this edge.
    pub fn index(&self, edge: usize) -> usize {
        self.at.into_iter().fold(0, |index, at| index * edge + at)
    }

    fn parse(cells: &[&str]) -> Voxel {
        Voxel {
            at: [0, 1, 2, 3].map(|column| cells[column].parse().unwrap()),
            value: cells[4].parse().unwrap(),
        }
    }
}

/// Cells of the rows below the header.
fn rows(name: &str) -> Vec<Vec<String>> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = manifest
        .ancestors()
        .map(|folder| folder.join("tests/data/networks").join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("no {name}"));
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().skip(1);
    rows.map(|row| row.split('\t').map(str::to_string).collect())
        .collect()
}

fn cells(row: &[String]) -> Vec<&str> {
    row.iter().map(String::as_str).collect()
}

/// Voxels of a case's output.
pub fn output(case: &str) -> Vec<Voxel> {
    let rows = rows(&format!("{case}.output.tsv"));
    assert!(rows.len() > 200, "{case}: {} voxels", rows.len());
    rows.iter().map(|row| Voxel::parse(&cells(row))).collect()
}

/// Nodes of a case's unfolded graph with mean, standard deviation, minimum and maximum.
pub fn blocks(case: &str) -> Vec<(String, [f64; 4])> {
    let rows = rows(&format!("{case}.blocks.tsv"));
    let block = |row: &Vec<String>| {
        let numbers = [1, 2, 3, 4].map(|column| row[column].parse().unwrap());
        (row[0].clone(), numbers)
    };
    rows.iter().map(block).collect()
}

/// Nodes of a case's unfolded graph with some of their voxels, in the order of the network.
pub fn layers(case: &str) -> Vec<(String, Vec<Voxel>)> {
    let mut layers: Vec<(String, Vec<Voxel>)> = Vec::new();
    for row in rows(&format!("{case}.layers.tsv")) {
        let voxel = Voxel::parse(&cells(&row[1..]));
        match layers.last_mut() {
            Some((name, voxels)) if *name == row[0] => voxels.push(voxel),
            _ => layers.push((row[0].clone(), vec![voxel])),
        }
    }
    layers
}
