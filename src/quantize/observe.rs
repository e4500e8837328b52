//! What the convolutions of a network read, seen on calibration scans.
//!
//! Most of a head scan is air, where activations are small and all alike. Statistics are therefore taken
//! around and in the brain only: at places spread evenly over the mask and what is within a twelfth of
//! the grid's edge (20 mm where the field of view is 240 mm) of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use endocast_tools::Network;
use endocast_weights::{Graph, Model, Op};
use ndarray::{Array2, ArrayView3};

use super::agreement::Judge;
use super::{Calibration, Error, rewrite};
use crate::exec::Session;
use crate::plan::{Options, Plan};
use crate::post::distance::squared_to_centres;

/// Places at which each convolution is observed, over all scans.
const PLACES: usize = 1024;

/// Distance from the mask that still counts, as a share of the grid's edge.
const MARGIN: f64 = 1.0 / 12.0;

/// Most numbers that one run of the network hands out.
const MAX_RESULT: usize = 1 << 27;

/// Most tensors that one convolution of the engine reads here.
const MAX_TENSORS: usize = 12;

/// A tensor that convolutions read.
pub(super) struct Site {
    /// The graph node that computes it.
    pub node: usize,
    /// Smallest and largest value of every channel, over all voxels of all scans.
    pub extremes: Vec<(f32, f32)>,
    /// The convolutions that read it.
    pub readers: Vec<Reader>,
}

/// A convolution with a sample of what it reads.
pub(super) struct Reader {
    /// The graph node.
    pub node: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    /// `[place][input channel * taps + tap]`; zero outside the volume.
    pub patches: Array2<f32>,
    /// Places seen so far.
    filled: usize,
}

/// Runs `network`, which is `model`'s, on all scans and looks at what its convolutions read.
pub(super) fn observe(
    network: &Network,
    model: &Model,
    calibration: &Calibration,
    judge: &Judge,
    options: Options,
    progress: &(dyn Fn(&str, usize, usize) + Sync),
) -> Result<Vec<Site>, Error> {
    let places = places(calibration, judge);
    let total = places.iter().map(Vec::len).sum();
    let mut sites = sites(&network.graph, total);
    let shrinkage = shrinkage(&network.graph);
    let runs = runs(network, &sites, &shrinkage, judge.grid());
    let steps = runs.len() * calibration.scans.len();
    for (run, members) in runs.iter().enumerate() {
        let nodes: Vec<usize> = members.iter().map(|&site| sites[site].node).collect();
        let mut tap = (nodes[0] != 0)
            .then(|| Tap::new(network, model, &nodes, judge.grid(), options))
            .transpose()?;
        for (index, scan) in calibration.scans.iter().enumerate() {
            let mut values = match &mut tap {
                Some(tap) => tap.run(&scan.image)?,
                None => &scan.image,
            };
            let shrink = shrinkage[nodes[0]];
            let grid = judge.grid().map(|extent| extent / shrink);
            for &member in members {
                let channels = network.node(sites[member].node).channels;
                let (own, others) = values.split_at(channels * grid.iter().product::<usize>());
                sites[member].see(own, grid, shrink, &places[index]);
                values = others;
            }
            progress(
                "observing",
                run * calibration.scans.len() + index + 1,
                steps,
            );
        }
    }
    Ok(sites)
}

/// Voxels of the network's grid, per scan.
fn places(calibration: &Calibration, judge: &Judge) -> Vec<Vec<[usize; 3]>> {
    let grid = judge.grid();
    let scans = calibration.scans.len();
    let place = |scan: usize| {
        let mask: Vec<bool> = judge.mask(scan).iter().map(|&voxel| voxel != 0).collect();
        let near = ArrayView3::from_shape(grid, &mask).map(|mask| {
            let margin = (MARGIN * grid[0] as f64).powi(2) as f32;
            let squared = squared_to_centres(mask, [1.0; 3]);
            let near = squared
                .indexed_iter()
                .filter(|(_, squared)| **squared <= margin);
            near.map(|((z, y, x), _)| [z, y, x]).collect::<Vec<_>>()
        });
        let mut near = near.unwrap_or_default();
        near.sort_unstable();
        let count = PLACES.div_ceil(scans).min(near.len());
        let spread = |which: usize| {
            // One voxel of every `count`-th part of the list, anywhere in that part.
            let part = which * near.len() / count..(which + 1) * near.len() / count;
            near[part.start + scatter(scan * PLACES + which) as usize % part.len()]
        };
        (0..count).map(spread).collect()
    };
    (0..scans).map(place).collect()
}

/// A number that depends on `index` in no visible way (the output function of splitmix64).
fn scatter(index: usize) -> u64 {
    let mut z = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) >> 32
}

/// The tensors that convolutions read, with room for `places` patches each.
pub(super) fn sites(graph: &Graph, places: usize) -> Vec<Site> {
    let mut sites: BTreeMap<usize, Vec<Reader>> = BTreeMap::new();
    for (index, node) in graph.nodes().iter().enumerate() {
        if let Op::Conv {
            kernel,
            stride,
            dilation,
            ..
        } = node.op
        {
            let input = node.inputs[0];
            let width = graph.nodes()[input].channels * kernel.pow(3);
            sites.entry(input).or_default().push(Reader {
                node: index,
                kernel,
                stride,
                dilation,
                patches: Array2::zeros([places, width]),
                filled: 0,
            });
        }
    }
    let site = |(node, readers): (usize, Vec<Reader>)| Site {
        extremes: vec![(0.0, 0.0); graph.nodes()[node].channels],
        node,
        readers,
    };
    sites.into_iter().map(site).collect()
}

/// How many times smaller than the image each node's grid is.
fn shrinkage(graph: &Graph) -> Vec<usize> {
    let mut shrinkage: Vec<usize> = Vec::new();
    for node in graph.nodes() {
        let (up, down) = node.op.magnification();
        let from = node.inputs.first().map_or(1, |&input| shrinkage[input]);
        shrinkage.push(from * down / up);
    }
    shrinkage
}

/// Positions in `sites` that one run observes together: those of one grid, as many as memory allows. The
/// image is a run of its own.
fn runs(
    network: &Network,
    sites: &[Site],
    shrinkage: &[usize],
    grid: [usize; 3],
) -> Vec<Vec<usize>> {
    let mut runs: Vec<(usize, usize, usize, Vec<usize>)> = Vec::new();
    for (position, site) in sites.iter().enumerate() {
        let shrink = shrinkage[site.node];
        let voxels: usize = grid.iter().map(|extent| extent / shrink).product();
        let len = network.node(site.node).channels * voxels;
        let tensors = match network.node(site.node).op {
            Op::Concat => network.node(site.node).inputs.len(),
            _ => 1,
        };
        let joined = runs.iter_mut().find(|(of, values, count, members)| {
            *of == shrink
                && values + len <= MAX_RESULT
                && count + tensors <= MAX_TENSORS
                && sites[members[0]].node != 0
        });
        match joined {
            Some((_, values, count, members)) => {
                *values += len;
                *count += tensors;
                members.push(position);
            }
            None => runs.push((shrink, len, tensors, vec![position])),
        }
    }
    runs.into_iter().map(|(_, _, _, members)| members).collect()
}

impl Site {
    /// Takes in a scan's `values`, `[channel][depth][height][width]` on a `grid` that is `shrink` times
    /// smaller than the one of `places`.
    fn see(&mut self, values: &[f32], grid: [usize; 3], shrink: usize, places: &[[usize; 3]]) {
        let voxels: usize = grid.iter().product();
        for (channel, (low, high)) in values.chunks_exact(voxels).zip(&mut self.extremes) {
            for &value in channel {
                *low = low.min(value);
                *high = high.max(value);
            }
        }
        for reader in &mut self.readers {
            for place in places {
                let centre = place.map(|p| p / (shrink * reader.stride) * reader.stride);
                reader.cut(values, grid, centre);
            }
        }
    }
}

impl Reader {
    /// Fills the next patch with what the kernel covers around `centre`.
    fn cut(&mut self, values: &[f32], grid: [usize; 3], centre: [usize; 3]) {
        let reach = self.kernel / 2 * self.dilation;
        let at = |tap: usize| -> Option<usize> {
            let steps = [
                tap / self.kernel.pow(2),
                tap / self.kernel % self.kernel,
                tap % self.kernel,
            ];
            let mut index = 0;
            for axis in 0..3 {
                let position = (centre[axis] + steps[axis] * self.dilation).checked_sub(reach)?;
                if position >= grid[axis] {
                    return None;
                }
                index = index * grid[axis] + position;
            }
            Some(index)
        };
        let taps: Vec<Option<usize>> = (0..self.kernel.pow(3)).map(at).collect();
        let channels = values.chunks_exact(grid.iter().product());
        let mut patch = self.patches.row_mut(self.filled);
        let mut patch = patch.iter_mut();
        for channel in channels {
            // The taps come first: a zip asks its first iterator first, and so takes no target too many.
            for (tap, target) in taps.iter().zip(patch.by_ref()) {
                *target = tap.map_or(0.0, |index| channel[index]);
            }
        }
        self.filled += 1;
    }
}

/// The part of a network that leads to some of its nodes, which become its result.
struct Tap {
    session: Session,
    result: Vec<f32>,
}

impl Tap {
    /// The result is the channels of `nodes`, which have one grid, one after the other.
    fn new(
        network: &Network,
        model: &Model,
        nodes: &[usize],
        grid: [usize; 3],
        options: Options,
    ) -> Result<Tap, Error> {
        let part = leading_to(network, nodes)?;
        let channels = part.graph.output().map_or(0, |node| node.channels);
        let mut preprocessing = model.preprocessing().clone();
        preprocessing.outputs = (0..channels).map(|channel| format!("c{channel}")).collect();
        let model = Model::from_bytes(&rewrite::write(&part, &preprocessing, model)?)?;
        let plan = Plan::new(model.graph(), grid, options)?;
        let session = Session::new(Arc::new(model), plan)?;
        Ok(Tap {
            result: vec![0.0; session.result_len()],
            session,
        })
    }

    fn run(&mut self, image: &[f32]) -> Result<&[f32], Error> {
        self.session.run(image, &mut self.result)?;
        Ok(&self.result)
    }
}

/// The nodes that `wanted` need, and a last convolution that copies the wanted channels.
fn leading_to(network: &Network, wanted: &[usize]) -> Result<Network, Error> {
    let nodes = network.graph.nodes();
    let mut needed = vec![false; nodes.len()];
    for &node in wanted {
        needed[node] = true;
    }
    for index in (0..nodes.len()).rev() {
        if needed[index] {
            nodes[index]
                .inputs
                .iter()
                .for_each(|&input| needed[input] = true);
        }
    }
    let mut part = Network::default();
    let mut places = vec![0; nodes.len()];
    for (index, node) in nodes.iter().enumerate().filter(|(index, _)| needed[*index]) {
        let inputs: Vec<usize> = node.inputs.iter().map(|&input| places[input]).collect();
        places[index] = part.push(&node.name, node.op, &inputs, network.tensors(index))?;
    }
    let joined = match wanted {
        [only] => places[*only],
        _ => {
            let inputs: Vec<usize> = wanted.iter().map(|&node| places[node]).collect();
            part.push("observed.cat", Op::Concat, &inputs, vec![])?
        }
    };
    let channels = part.node(joined).channels;
    let copy = Op::Conv {
        out: channels,
        kernel: 1,
        stride: 1,
        dilation: 1,
    };
    let mut identity = vec![0.0; channels * channels];
    identity
        .iter_mut()
        .step_by(channels + 1)
        .for_each(|w| *w = 1.0);
    part.push(
        "observed",
        copy,
        &[joined],
        vec![identity, vec![0.0; channels]],
    )?;
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_what_the_kernel_covers() {
        let mut site = Site {
            node: 1,
            extremes: vec![(0.0, 0.0); 2],
            readers: vec![Reader {
                node: 2,
                kernel: 3,
                stride: 2,
                dilation: 1,
                patches: Array2::zeros([2, 2 * 27]),
                filled: 0,
            }],
        };
        // Voxel (z, y, x) of channel c holds 1000 c + 100 z + 10 y + x.
        let grid = [4, 6, 8];
        let mut values = Vec::new();
        for index in 0..2 * 4 * 6 * 8 {
            let [c, z, y, x] = [index / 192, index / 48 % 4, index / 8 % 6, index % 8];
            values.push((1000 * c + 100 * z + 10 * y + x) as f32);
        }
        // The image is twice as fine: its voxel (5, 9, 14) lies in (2, 4, 6) here.
        site.see(&values, grid, 2, &[[5, 9, 14], [0, 0, 0]]);
        assert_eq!(site.extremes, [(0.0, 357.0), (0.0, 1357.0)]);
        let patches = &site.readers[0].patches;
        assert_eq!(patches[[0, 13]], 246.0);
        assert_eq!(patches[[0, 0]], 135.0);
        assert_eq!(patches[[0, 27 + 13]], 1246.0);
        assert_eq!(patches[[0, 27 + 26]], 1357.0);
        // At the corner the taps before the first voxel read zeros.
        assert_eq!(patches[[1, 27 + 12]], 0.0);
        assert_eq!(patches[[1, 27 + 14]], 1001.0);
    }
}
