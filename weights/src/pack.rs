//! Where each number of a tensor lies in the file: blocks of 16 channels.
//!
//! A convolution's weights are stored as `[ocb][icb][tap][ic][16 oc]`: blocks of 16 output channels,
//! blocks of input channels, kernel taps in the order dz, dy, dx, input channels of the block, and
//! innermost the 16 output channels. What is not a logical channel is zero.

use crate::graph::{Graph, Op};

/// Channels in a block: one 64-byte line of f32.
pub const LANES: usize = 16;

/// Most image channels for which the first convolution's input block is not widened to [`LANES`].
pub const MAX_THIN: usize = 4;

/// Length of a vector over `channels`, rounded up to whole blocks.
pub fn padded(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

/// `values`, followed by zeros up to whole blocks.
pub fn pack_vector(values: &[f32]) -> Vec<f32> {
    let mut packed = values.to_vec();
    packed.resize(padded(values.len()), 0.0);
    packed
}

/// The packed layout of one convolution's weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvLayout {
    outputs: usize,
    taps: usize,
    /// Per input block: the first logical channel and how many follow.
    blocks: Vec<(usize, usize)>,
    /// Input channels stored per block.
    width: usize,
}

impl ConvLayout {
    /// The layout for `outputs` output channels, a kernel of `taps` voxels, and inputs that are the
    /// channels of `sources` one after the other.
    ///
    /// Every source starts a new block of 16 input channels; a `thin` layout instead keeps all input
    /// channels in one block as wide as they are.
    pub fn new(outputs: usize, taps: usize, sources: &[usize], thin: bool) -> ConvLayout {
        let inputs = sources.iter().sum();
        if thin {
            return ConvLayout {
                outputs,
                taps,
                blocks: vec![(0, inputs)],
                width: inputs,
            };
        }
        let mut blocks = Vec::new();
        let mut start = 0;
        for &channels in sources {
            let end = start + channels;
            while start < end {
                let count = LANES.min(end - start);
                blocks.push((start, count));
                start += count;
            }
        }
        ConvLayout {
            outputs,
            taps,
            blocks,
            width: LANES,
        }
    }

    /// The layout of the convolution at `node` of `graph`; `None` if that node is not a convolution.
    pub fn of(graph: &Graph, node: usize) -> Option<ConvLayout> {
        let Op::Conv { out, kernel, .. } = graph.nodes().get(node)?.op else {
            return None;
        };
        let sources = graph.sources(node);
        let channels: Vec<usize> = sources.iter().map(|&s| graph.nodes()[s].channels).collect();
        let thin = sources == [0] && channels[0] <= MAX_THIN;
        Some(ConvLayout::new(out, kernel.pow(3), &channels, thin))
    }

    /// Logical input channels.
    pub fn inputs(&self) -> usize {
        self.blocks.iter().map(|&(_, count)| count).sum()
    }

    /// Logical output channels.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Voxels of the kernel.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// Shape of the packed tensor: `[ocb, icb, tap, ic, 16]`.
    pub fn shape(&self) -> [usize; 5] {
        let output_blocks = self.outputs.div_ceil(LANES);
        [
            output_blocks,
            self.blocks.len(),
            self.taps,
            self.width,
            LANES,
        ]
    }

    /// Numbers in the packed tensor, padding included.
    pub fn packed_len(&self) -> usize {
        self.shape().iter().product()
    }

    /// Numbers in the logical tensor.
    pub fn logical_len(&self) -> usize {
        self.outputs * self.inputs() * self.taps
    }

    /// Packs logical weights `[out][in][tap]`.
    ///
    /// # Panics
    /// If `logical` has another length than [`logical_len`](Self::logical_len).
    pub fn pack(&self, logical: &[f32]) -> Vec<f32> {
        assert_eq!(logical.len(), self.logical_len(), "length of the weights");
        let mut packed = vec![0.0; self.packed_len()];
        self.for_each(|from, to| packed[to] = logical[from]);
        packed
    }

    /// The logical weights `[out][in][tap]` of a packed tensor.
    ///
    /// # Panics
    /// If `packed` has another length than [`packed_len`](Self::packed_len).
    pub fn unpack(&self, packed: &[f32]) -> Vec<f32> {
        assert_eq!(packed.len(), self.packed_len(), "length of the tensor");
        let mut logical = vec![0.0; self.logical_len()];
        self.for_each(|to, from| logical[to] = packed[from]);
        logical
    }

    /// Calls `visit(logical index, packed index)` for every weight.
    fn for_each(&self, mut visit: impl FnMut(usize, usize)) {
        let inputs = self.inputs();
        for output in 0..self.outputs {
            let (output_block, lane) = (output / LANES, output % LANES);
            for (block, &(start, count)) in self.blocks.iter().enumerate() {
                for within in 0..count {
                    for tap in 0..self.taps {
                        let logical = (output * inputs + start + within) * self.taps + tap;
                        let row = (output_block * self.blocks.len() + block) * self.taps + tap;
                        visit(logical, (row * self.width + within) * LANES + lane);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weight_has_its_place() {
        // Two sources of 3 and 17 channels: blocks of 3, 16 and 1.
        let layout = ConvLayout::new(18, 27, &[3, 17], false);
        assert_eq!(layout.shape(), [2, 3, 27, 16, 16]);
        assert_eq!(layout.inputs(), 20);
        let logical: Vec<f32> = (1..=layout.logical_len()).map(|i| i as f32).collect();
        let packed = layout.pack(&logical);
        assert_eq!(layout.unpack(&packed), logical);
        assert_eq!(packed.iter().filter(|&&w| w != 0.0).count(), logical.len());
        // Output 17, input 19 (second source's channel 16), tap 5.
        let place = (((3 + 2) * 27 + 5) * 16) * 16 + 1;
        assert_eq!(packed[place], logical[(17 * 20 + 19) * 27 + 5]);
    }

    #[test]
    fn image_channels_stay_thin() {
        let conv = |image: usize| {
            let text = format!(
                "input image channels={image}\nconv a image out=2 kernel=3 stride=1 dilation=1\n"
            );
            ConvLayout::of(&Graph::parse(&text).unwrap(), 1).unwrap()
        };
        assert_eq!(conv(1).shape(), [1, 1, 27, 1, 16]);
        assert_eq!(conv(4).shape(), [1, 1, 27, 4, 16]);
        assert_eq!(conv(5).shape(), [1, 1, 27, 16, 16]);
        let logical: Vec<f32> = (0..2 * 4 * 27).map(|i| i as f32).collect();
        assert_eq!(conv(4).unpack(&conv(4).pack(&logical)), logical);
    }

    #[test]
    fn concatenated_tensors_start_blocks() {
        let graph = Graph::parse(
            "input image channels=1\n\
             conv a image out=15 kernel=3 stride=1 dilation=1\n\
             conv b a out=20 kernel=3 stride=1 dilation=1\n\
             concat c a b\n\
             affine n c\n\
             leaky_relu l n slope=0.01\n\
             conv d l out=1 kernel=1 stride=1 dilation=1\n",
        )
        .unwrap();
        assert_eq!(
            ConvLayout::of(&graph, 2).unwrap().shape(),
            [2, 1, 27, 16, 16]
        );
        assert_eq!(
            ConvLayout::of(&graph, 6).unwrap().shape(),
            [1, 3, 1, 16, 16]
        );
        assert_eq!(ConvLayout::of(&graph, 3), None);
    }

    #[test]
    fn vectors_end_in_zeros() {
        assert_eq!(pack_vector(&[1.0; 16]), [1.0; 16]);
        assert_eq!(pack_vector(&[2.0])[..2], [2.0, 0.0]);
        assert_eq!(pack_vector(&[2.0]).len(), 16);
    }
}
