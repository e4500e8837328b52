//! Which steps run together, plane by plane, and how many planes of each tensor exist at a time.
//!
//! A **group** is a run of steps on one grid. Inside it, tensors that nobody else reads live in rings of
//! a few planes; each output plane pulls just the input planes it needs through the chain, so that a
//! residual block at full resolution never stores its intermediate tensors. A strided convolution ends
//! a group, since it leaves the grid. Threads split a group into **slabs** of consecutive planes, each
//! with rings of its own; planes next to a cut are computed on both sides of it.

use std::ops::Range;

use super::step::{Home, Step, Tensor, TensorId, Work};

/// Tensors of fewer numbers are stored whole: they fit into a cache anyway.
const WORTH_STREAMING: usize = 4 << 20;
/// A slab thinner than this many planes would recompute too much at its cuts.
const THINNEST_SLAB: usize = 8;

/// Steps that run together.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Indices into the plan's steps.
    pub steps: Range<usize>,
    /// Slabs that the group is cut into.
    pub slabs: Slabs,
    /// Bytes of ring memory per slab.
    pub ring_bytes: usize,
}

/// How a group is cut into slabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slabs {
    /// How many.
    pub count: usize,
    /// Planes that are not cut apart, in tensors that consist of such.
    pub unit: usize,
}

impl Slabs {
    /// The planes of a `depth`-plane tensor that slab `index` owns.
    pub fn planes(self, depth: usize, index: usize) -> Range<usize> {
        let unit = if depth.is_multiple_of(self.unit) {
            self.unit
        } else {
            1
        };
        let cut = |index: usize| depth / unit * index / self.count * unit;
        cut(index)..cut(index + 1)
    }
}

/// Cuts `steps` into groups for `threads` threads and decides which tensors become rings.
///
/// Ring offsets are final; whole tensors still have offset 0.
pub fn group(steps: &[Step], tensors: &mut [Tensor], threads: usize) -> Vec<Group> {
    let mut cuts = first_cuts(steps, tensors, threads);
    // A tensor is either a ring or whole: whoever reads it in its own group must be its only reader.
    while let Some(cut) = shared_across(steps, tensors, &cuts) {
        let at = cuts.partition_point(|&other| other < cut);
        cuts.insert(at, cut);
    }
    cuts.push(steps.len());
    let mut start = 0;
    let mut groups = Vec::new();
    for end in cuts {
        let members = start..end;
        let group = &steps[members.clone()];
        let shortest = group.iter().map(|step| step.depth / step.planes).min();
        let slabs = Slabs {
            count: threads.min(shortest.unwrap_or(1)).max(1),
            unit: group.iter().map(|step| step.planes).max().unwrap_or(1),
        };
        let ring_bytes = make_rings(steps, tensors, members.clone(), slabs);
        groups.push(Group {
            steps: members,
            slabs,
            ring_bytes,
        });
        start = end;
    }
    groups
}

/// Step indices at which a new group starts (without 0), by the rules of the module's description.
fn first_cuts(steps: &[Step], tensors: &[Tensor], threads: usize) -> Vec<usize> {
    let mut cuts = Vec::new();
    let mut start = 0;
    for next in 1..steps.len() {
        let written = |id: TensorId| producer(&steps[start..next], id).is_some();
        let inputs = steps[next].inputs();
        let chained = inputs.iter().any(|&id| written(id));
        let ended = matches!(&steps[next - 1].work, Work::Conv(conv) if conv.stride > 1);
        let measured = steps[start..next].iter().any(|step| step.measured);
        let grid_kept = !matches!(steps[next].work, Work::Upsample { .. });
        let large = inputs.iter().any(|&id| {
            tensors[id].depth * tensors[id].plane_len() >= WORTH_STREAMING
                && tensors[id].depth >= threads.saturating_mul(THINNEST_SLAB)
        });
        let full = next - start >= MAX_STEPS;
        if !(chained && grid_kept && large) || ended || measured || full {
            cuts.push(next);
            start = next;
        }
    }
    cuts
}

/// A step before which the group must be cut because it reads a tensor of its own group that a later
/// group reads too.
fn shared_across(steps: &[Step], tensors: &[Tensor], cuts: &[usize]) -> Option<usize> {
    let group_of = |step: usize| cuts.partition_point(|&cut| cut <= step);
    (0..tensors.len()).find_map(|id| {
        let home = group_of(producer(steps, id)?);
        let mut readers = (0..steps.len()).filter(|&step| steps[step].inputs().contains(&id));
        let inside = readers.clone().find(|&step| group_of(step) == home)?;
        readers.any(|step| group_of(step) != home).then_some(inside)
    })
}

fn producer(steps: &[Step], id: TensorId) -> Option<usize> {
    steps
        .iter()
        .position(|step| step.outputs().contains(&Some(id)))
}

/// Turns the tensors that only this group touches into rings just large enough for its slabs; returns
/// the bytes of one slab's rings.
fn make_rings(
    steps: &[Step],
    tensors: &mut [Tensor],
    members: Range<usize>,
    slabs: Slabs,
) -> usize {
    let group = &steps[members];
    let inner: Vec<TensorId> = (0..tensors.len())
        .filter(|&id| {
            producer(group, id).is_some() && group.iter().any(|step| step.inputs().contains(&id))
        })
        .collect();
    let mut slots = vec![0; tensors.len()];
    for index in 0..slabs.count {
        count_slots(group, tensors, index, slabs, &mut slots);
    }
    let mut len = 0;
    for id in inner {
        tensors[id].home = Home::Ring {
            offset: len,
            slots: slots[id],
        };
        len += slots[id] * tensors[id].plane_bytes();
    }
    len
}

/// Raises `slots` to the planes of each tensor that must exist at once while slab `index` runs.
fn count_slots(
    group: &[Step],
    tensors: &[Tensor],
    index: usize,
    slabs: Slabs,
    slots: &mut [usize],
) {
    let mut next = [0; MAX_STEPS];
    first_planes(group, tensors, index, slabs, &mut next);
    let mut made = next;
    Schedule {
        group,
        tensors,
        next: &mut next,
    }
    .run(index, slabs, |step, z| {
        group[step].for_each_input(z, tensors, |id, planes| {
            if let Some(writer) = producer(&group[..step], id) {
                slots[id] = slots[id].max(made[writer] - planes.start);
            }
        });
        made[step] = z + group[step].planes;
    });
}

/// Sets `first` to the first plane of each step that a slab has to compute: its own planes, and those
/// its neighbours in the chain read across the cut.
pub fn first_planes(
    group: &[Step],
    tensors: &[Tensor],
    index: usize,
    slabs: Slabs,
    first: &mut [usize],
) {
    for (first, step) in first.iter_mut().zip(group) {
        *first = slabs.planes(step.depth, index).start;
    }
    for reader in (0..group.len()).rev() {
        first[reader] -= first[reader] % group[reader].planes;
        group[reader].for_each_input(first[reader], tensors, |id, planes| {
            if let Some(writer) = producer(&group[..reader], id) {
                first[writer] = first[writer].min(planes.start);
            }
        });
    }
}

/// Drives `compute(step, plane)` so that every plane's inputs come before it, as late as possible; of
/// planes that a step computes together only the first is named.
pub struct Schedule<'g> {
    /// Steps of the group.
    pub group: &'g [Step],
    /// All tensors.
    pub tensors: &'g [Tensor],
    /// Next plane of each step.
    pub next: &'g mut [usize],
}

impl Schedule<'_> {
    /// Computes all planes of slab `index`.
    pub fn run(&mut self, index: usize, slabs: Slabs, mut compute: impl FnMut(usize, usize)) {
        // Steps whose outputs leave the group set the pace together, so that rings stay short.
        let deepest = self.group.iter().map(|step| step.depth).max().unwrap_or(0);
        for tick in slabs.planes(deepest, index) {
            for step in 0..self.group.len() {
                let depth = self.group[step].depth;
                let own = slabs.planes(depth, index);
                let target = ((tick + 1) * depth / deepest).min(own.end);
                self.advance(step, target, &mut compute);
            }
        }
    }

    fn advance(&mut self, step: usize, target: usize, compute: &mut impl FnMut(usize, usize)) {
        while self.next[step] < target {
            let z = self.next[step];
            let mut needs = [(0, 0); MAX_INPUTS];
            let mut count = 0;
            self.group[step].for_each_input(z, self.tensors, |id, planes| {
                if let Some(writer) = producer(&self.group[..step], id) {
                    needs[count] = (writer, planes.end);
                    count += 1;
                }
            });
            for &(writer, end) in &needs[..count] {
                self.advance(writer, end, compute);
            }
            compute(step, z);
            self.next[step] = z + self.group[step].planes;
        }
    }
}

/// Most steps in a group.
pub const MAX_STEPS: usize = 8;
/// Most tensors that one step may read.
pub const MAX_INPUTS: usize = 16;
