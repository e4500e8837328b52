//! Where a slab finds the planes that it reads, and borrows those that it writes.

use std::mem;
use std::ops::Range;

use bytemuck::Pod;
use endocast_kernels::contract::{Plane, PlaneMut, PlaneShape, Quantisation, Source, Store};

use super::slab::Slab;
use crate::plan::{Conv, Element, Home, Tensor, TensorId};

/// One plane on loan from where it is stored.
pub struct Loan<'a> {
    data: &'a mut [u8],
    place: Place,
    plane: Range<usize>,
    tensor: &'a Tensor,
}

#[derive(Clone, Copy)]
enum Place {
    Ring(usize),
    Written(usize),
}

impl Loan<'_> {
    /// All bytes of the plane.
    fn bytes(&mut self) -> &mut [u8] {
        &mut self.data[self.plane.clone()]
    }

    /// The plane of numbers; 8-bit ones for `u8`.
    pub fn plane<T: Pod>(&mut self) -> PlaneMut<'_, T> {
        let (len, halo) = (self.tensor.plane_len(), self.tensor.shape.halo);
        PlaneMut {
            data: &mut bytemuck::cast_slice_mut(self.bytes())[..len],
            halo,
        }
    }

    /// The plane in the form in which kernels store results.
    pub fn store(&mut self) -> Store<'_> {
        match self.tensor.element {
            Element::F32 => Store::F32(self.plane()),
            Element::U8(quantisation) => Store::U8(
                self.plane(),
                Quantisation {
                    inverse_scale: 1.0 / quantisation.scale,
                    zero: quantisation.zero,
                },
            ),
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
        let plane = |dz: usize| -> &[T] {
            if conv.kernel == 1 && dz != 1 {
                return &[];
            }
            let at = (z * conv.stride + dz * conv.dilation).checked_sub(conv.dilation);
            bytemuck::cast_slice(match at.filter(|&at| at < tensor.depth) {
                Some(at) => self.bytes(id, at),
                None => self.context.outside[usize::from(tensor.element.zero())],
            })
        };
        Source {
            planes: [plane(0), plane(1), plane(2)],
            shape: tensor.shape,
            blocks: tensor.blocks(),
        }
    }

    fn ring(&self, id: TensorId) -> usize {
        let rings = &self.context.stage.rings;
        rings.iter().position(|&ring| ring == id).unwrap_or(0)
    }

    /// Plane `z` of tensor `id`, to be written; `None` if another slab stores it.
    pub fn lend(&mut self, id: TensorId, z: usize) -> Option<Loan<'a>> {
        let tensor = &self.context.plan.tensors[id];
        let len = tensor.plane_bytes();
        let (place, slot, data) = match tensor.home {
            Home::Ring { slots, .. } => {
                let ring = self.ring(id);
                let data = mem::take(&mut self.rings[ring]);
                (Place::Ring(ring), z % slots, data)
            }
            Home::Whole { .. } => {
                let mut written = self.written.iter();
                let index = written.position(|w| w.id == id && w.planes.contains(&z))?;
                let written = &mut self.written[index];
                let slot = z - written.planes.start;
                (Place::Written(index), slot, mem::take(&mut written.data))
            }
        };
        Some(Loan {
            data,
            place,
            plane: slot * len..(slot + 1) * len,
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
