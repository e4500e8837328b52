//! Where a slab finds the planes that it reads, and borrows those that it writes.

use std::mem;
use std::ops::Range;

use bytemuck::Pod;
use endocast_kernels::contract::{Plane, PlaneMut, PlaneShape, Quantisation, Source, Store};

use super::slab::Slab;
use crate::plan::{Conv, Element, Home, Layout, Tensor, TensorId};

/// A plane, or two, on loan from where they are stored.
pub struct Loan<'a> {
    data: &'a mut [u8],
    place: Place,
    /// In bytes; the second one may be empty.
    planes: [Range<usize>; 2],
    tensor: &'a Tensor,
}

#[derive(Clone, Copy)]
enum Place {
    Ring(usize),
    Written(usize),
}

impl Loan<'_> {
    /// All bytes of the first plane.
    fn bytes(&mut self) -> &mut [u8] {
        &mut self.data[self.planes[0].clone()]
    }

    /// The first plane of numbers; 8-bit ones for `u8`.
    pub fn plane<T: Pod>(&mut self) -> PlaneMut<'_, T> {
        numbers(self.tensor, self.bytes())
    }

    /// The first plane in the form in which kernels store results.
    pub fn store(&mut self) -> Store<'_> {
        store(self.tensor, self.bytes())
    }

    /// Both planes in that form; not the second one if there is one only.
    pub fn stores(&mut self) -> [Option<Store<'_>>; 2] {
        match self.data.get_disjoint_mut(self.planes.clone()) {
            Ok(planes) => {
                planes.map(|bytes| (!bytes.is_empty()).then(|| store(self.tensor, bytes)))
            }
            Err(_) => [None, None],
        }
    }

    /// Makes the halo stand for zeros.
    pub fn fill_halo(&mut self) {
        let PlaneShape { height, halo, .. } = self.tensor.shape;
        let zero = self.tensor.element.zero();
        let voxel = self.tensor.lanes() * self.tensor.element.size();
        let (pitch, side) = (self.tensor.shape.pitch() * voxel, halo * voxel);
        let block = self.tensor.shape.area() * voxel;
        for block in self.bytes().chunks_exact_mut(block) {
            for (row, bytes) in block.chunks_exact_mut(pitch).enumerate() {
                if row < halo || row >= halo + height {
                    bytes.fill(zero);
                } else {
                    bytes[..side].fill(zero);
                    bytes[pitch - side..].fill(zero);
                }
            }
        }
    }
}

fn numbers<'a, T: Pod>(tensor: &Tensor, bytes: &'a mut [u8]) -> PlaneMut<'a, T> {
    PlaneMut {
        data: &mut bytemuck::cast_slice_mut(bytes)[..tensor.plane_len()],
        halo: tensor.shape.halo,
    }
}

fn store<'a>(tensor: &Tensor, bytes: &'a mut [u8]) -> Store<'a> {
    match tensor.element {
        Element::F32 if tensor.layout == Layout::Planar => {
            Store::Planar(numbers(tensor, bytes), tensor.channels)
        }
        Element::F32 => Store::F32(numbers(tensor, bytes)),
        Element::U8(quantisation) => Store::U8(
            numbers(tensor, bytes),
            Quantisation {
                inverse_scale: 1.0 / quantisation.scale,
                zero: quantisation.zero,
            },
        ),
    }
}

impl<'a> Slab<'a> {
    /// The bytes of plane `z` of tensor `id`, to be read.
    fn bytes(&self, id: TensorId, z: usize) -> &[u8] {
        let tensor = &self.context.plan.tensors[id];
        let len = tensor.plane_bytes();
        if let Home::Ring { slots, .. } = tensor.home {
            return &self.rings[self.ring(id)][z % slots * len..][..len];
        }
        if let Some((_, data)) = self.context.read.iter().find(|(read, _)| *read == id) {
            return &data[z * len..][..len];
        }
        match self.written.iter().find(|written| written.id == id) {
            Some(written) => &written.data[(z - written.planes.start) * len..][..len],
            None => &[],
        }
    }

    /// Plane `z` of tensor `id`, to be read.
    pub fn plane<T: Pod>(&self, id: TensorId, z: usize) -> Plane<'_, T> {
        Plane {
            data: bytemuck::cast_slice(self.bytes(id, z)),
            halo: self.context.plan.tensors[id].shape.halo,
        }
    }

    /// Tensor `id` as the input of output plane `z` of `conv`.
    pub fn source<T: Pod>(&self, conv: &Conv, id: TensorId, z: usize) -> Source<'_, T> {
        let tensor = &self.context.plan.tensors[id];
        Source {
            planes: [0, 1, 2].map(|dz| self.tap(conv, id, z, dz)),
            shape: tensor.shape,
            blocks: tensor.blocks(),
        }
    }

    /// The plane of tensor `id` that tap `dz` of output plane `z` of `conv` reads; empty for a tap beside a
    /// kernel of one plane.
    pub fn tap<T: Pod>(&self, conv: &Conv, id: TensorId, z: usize, dz: usize) -> &[T] {
        if conv.kernel == 1 && dz != 1 {
            return &[];
        }
        let tensor = &self.context.plan.tensors[id];
        let at = (z * conv.stride + dz * conv.dilation).checked_sub(conv.dilation);
        bytemuck::cast_slice(match at.filter(|&at| at < tensor.depth) {
            Some(at) => self.bytes(id, at),
            None => self.context.outside[usize::from(tensor.element.zero())],
        })
    }

    fn ring(&self, id: TensorId) -> usize {
        let rings = &self.context.stage.rings;
        rings.iter().position(|&ring| ring == id).unwrap_or(0)
    }

    /// Plane `z` of tensor `id`, or planes `z` and `z + 1`, to be written; `None` if another slab
    /// stores them.
    pub fn lend(&mut self, id: TensorId, z: usize, count: usize) -> Option<Loan<'a>> {
        let tensor = &self.context.plan.tensors[id];
        let len = tensor.plane_bytes();
        let (place, slots, data) = match tensor.home {
            Home::Ring { slots, .. } => {
                let ring = self.ring(id);
                let data = mem::take(&mut self.rings[ring]);
                (Place::Ring(ring), [z % slots, (z + 1) % slots], data)
            }
            Home::Whole { .. } => {
                let mut written = self.written.iter();
                let index = written.position(|w| w.id == id && w.planes.contains(&z))?;
                let written = &mut self.written[index];
                let slot = z - written.planes.start;
                let data = mem::take(&mut written.data);
                (Place::Written(index), [slot, slot + 1], data)
            }
        };
        let [plane, next] = slots.map(|slot| slot * len..(slot + 1) * len);
        Some(Loan {
            data,
            place,
            planes: [plane, if count > 1 { next } else { 0..0 }],
            tensor,
        })
    }

    /// Gives a plane back to where it is stored.
    pub fn take_back(&mut self, loan: Loan<'a>) {
        match loan.place {
            Place::Ring(ring) => self.rings[ring] = loan.data,
            Place::Written(index) => self.written[index].data = loan.data,
        }
    }
}
