//! Where a plan's tensors, rings and scratch lie in the arena.

use std::collections::{BTreeMap, HashSet};

use super::arena;
use super::choice::ConvChoice;
use super::step::{ALIGNMENT, Home, Step, Tensor, TensorId};
use super::stream::Group;

/// A part of the arena that a group uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First byte.
    pub offset: usize,
    /// Bytes.
    pub len: usize,
    /// What lies there.
    pub role: Role,
}

/// Use of a [`Region`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A whole tensor that the group reads.
    Read(TensorId),
    /// A whole tensor that the group writes.
    Written(TensorId),
    /// Rings and scratch of all slabs.
    Workspace,
    /// A plane outside the volume, of tensors whose zero this byte is.
    Outside(u8),
    /// Weights of the stage's only step: as packed, then in the kernel's own form if it has one.
    Weights,
}

/// A group of steps with its memory.
#[derive(Debug)]
pub struct Stage {
    /// The steps and their slabs.
    pub group: Group,
    /// Tensors in rings, by ring offset.
    pub rings: Vec<TensorId>,
    /// Numbers of kernel scratch per slab, behind its rings.
    pub scratch_len: usize,
    /// Numbers of weights that are brought into their kernel's form when the stage starts, and not
    /// kept.
    pub weights_len: usize,
    /// Disjoint parts of the arena, by offset.
    pub regions: Vec<Region>,
}

impl Stage {
    /// The stage of `group`, without regions as yet.
    pub fn new(
        group: Group,
        tensors: &[Tensor],
        steps: &[Step],
        convs: &[Option<ConvChoice>],
    ) -> Stage {
        let written = steps[group.steps.clone()]
            .iter()
            .flat_map(Step::outputs)
            .flatten();
        let mut rings: Vec<TensorId> = written
            .filter(|&id| matches!(tensors[id].home, Home::Ring { .. }))
            .collect();
        rings.sort_by_key(|&id| match tensors[id].home {
            Home::Ring { offset, .. } | Home::Whole { offset } => offset,
        });
        let scratch_len = group
            .steps
            .clone()
            .map(|index| {
                let kernel = convs[index].as_ref().map_or(0, ConvChoice::scratch_len);
                kernel.max(steps[index].scratch_len(tensors))
            })
            .max()
            .unwrap_or(0);
        let weights_len = match &convs[group.steps.clone()] {
            [Some(conv)] => conv.passing_len(),
            _ => 0,
        };
        Stage {
            weights_len,
            group,
            rings,
            scratch_len,
            regions: Vec::new(),
        }
    }

    /// Bytes of rings and scratch of one slab, rounded so that slabs stay aligned.
    pub fn slab_bytes(&self) -> usize {
        (self.group.ring_bytes + self.scratch_len * size_of::<f32>()).next_multiple_of(ALIGNMENT)
    }

    fn reads(&self, steps: &[Step]) -> HashSet<TensorId> {
        let steps = steps[self.group.steps.clone()].iter();
        steps.flat_map(Step::inputs).collect()
    }

    fn writes(&self, steps: &[Step]) -> HashSet<TensorId> {
        let steps = steps[self.group.steps.clone()].iter();
        steps.flat_map(Step::outputs).flatten().collect()
    }
}

/// For each byte that stands for zero in a tensor with a halo, the bytes of the largest plane.
fn outside(tensors: &[Tensor]) -> BTreeMap<u8, usize> {
    let mut planes = BTreeMap::new();
    for tensor in tensors.iter().filter(|tensor| tensor.shape.halo > 0) {
        let len = planes.entry(tensor.element.zero()).or_insert(0);
        *len = tensor.plane_bytes().max(*len);
    }
    planes
}

/// Gives every whole tensor and every stage's workspace its place in the arena; returns its bytes.
pub fn lay_out(tensors: &mut [Tensor], steps: &[Step], stages: &mut [Stage]) -> usize {
    let last = stages.len() - 1;
    let whole: Vec<TensorId> = (0..tensors.len())
        .filter(|&id| matches!(tensors[id].home, Home::Whole { .. }))
        .collect();
    let mut items = Vec::new();
    for &id in &whole {
        let mut written = stages.iter().map(|stage| stage.writes(steps));
        let first = written.position(|writes| writes.contains(&id));
        let end = stages
            .iter()
            .rposition(|stage| stage.reads(steps).contains(&id));
        items.push(arena::Item {
            len: tensors[id].bytes(),
            alive: first.unwrap_or(0)..=end.unwrap_or(last),
        });
    }
    for (index, stage) in stages.iter().enumerate() {
        items.push(arena::Item {
            len: stage.group.slabs.count * stage.slab_bytes(),
            alive: index..=index,
        });
    }
    items.extend(stages.iter().enumerate().map(|(index, stage)| arena::Item {
        len: stage.weights_len * size_of::<f32>(),
        alive: index..=index,
    }));
    let outside = outside(tensors);
    items.extend(outside.values().map(|&len| arena::Item {
        len,
        alive: 0..=last,
    }));

    let (offsets, total) = arena::place(&items);
    for (&id, &offset) in whole.iter().zip(&offsets) {
        tensors[id].home = Home::Whole { offset };
    }
    let count = stages.len();
    for (index, stage) in stages.iter_mut().enumerate() {
        let (reads, writes) = (stage.reads(steps), stage.writes(steps));
        let workspace = whole.len() + index;
        let mut roles = vec![(workspace, Role::Workspace)];
        if stage.weights_len > 0 {
            roles.push((workspace + count, Role::Weights));
        }
        for (item, &id) in whole.iter().enumerate() {
            if writes.contains(&id) {
                roles.push((item, Role::Written(id)));
            } else if reads.contains(&id) {
                roles.push((item, Role::Read(id)));
            }
        }
        let first = items.len() - outside.len();
        let planes = outside.keys().enumerate();
        roles.extend(planes.map(|(at, &byte)| (first + at, Role::Outside(byte))));
        let regions = roles.into_iter().map(|(item, role)| Region {
            offset: offsets[item],
            len: items[item].len,
            role,
        });
        stage.regions = regions.collect();
        stage
            .regions
            .sort_by_key(|region| (region.offset, region.len));
    }
    total
}
