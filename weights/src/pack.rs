//! Where each number of a tensor lies in the file: blocks of 16 channels.
//!
//! A convolution's weights are stored as `[ocb][icb][tap][ic][16 oc]`: blocks of 16 output channels,
//! blocks of input channels, kernel taps in the order dz, dy, dx, input channels of the block, and
//! innermost the 16 output channels. Those of an int8 convolution are stored as
//! `[ocb][icb][tap][ic / 4][16 oc][4 ic]`: innermost lie the four input channels whose products one
//! instruction adds. What is not a logical channel is zero.

use crate::graph::{Graph, Op};

/// Channels in a block: one 64-byte line of f32.
pub const LANES: usize = 16;

/// Most image channels for which the first convolution's input block is not widened to [`LANES`].
pub const MAX_THIN: usize = 4;

/// Input channels that lie side by side in 8-bit weights.
pub const GROUP: usize = 4;

/// Largest sum of the positive weights, and of the magnitudes of the negative ones, of two neighbouring
/// input channels in the packed layout, for one tap and output channel of an int8 convolution.
///
/// Products with values up to 255 then add up to at most `255 * 128`, within 16 bits.
pub const MAX_PAIR_SUM: i16 = 128;

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
    /// Input channels that lie side by side: 1, or [`GROUP`] in 8-bit weights.
    group: usize,
}

impl ConvLayout {
    /// The layout for `outputs` output channels, a kernel of `taps` voxels, and inputs that are the
    /// channels of `sources` one after the other.
    ///
    /// Every source starts a new block of 16 input channels; a `thin` layout instead keeps all input
    /// channels in one block as wide as they are.
    pub fn new(outputs: usize, taps: usize, sources: &[usize], thin: bool) -> ConvLayout {
        let inputs = sources.iter().sum();
        let mut blocks = Vec::new();
        let mut start = 0;
        for &channels in sources {
            let end = start + channels;
            while start < end && !thin {
                let count = LANES.min(end - start);
                blocks.push((start, count));
                start += count;
            }
        }
        if thin {
            blocks.push((0, inputs));
        }
        ConvLayout {
            outputs,
            taps,
            blocks,
            width: if thin { inputs } else { LANES },
            group: 1,
        }
    }

    /// The same for 8-bit weights; a thin block is widened to a whole [`GROUP`].
    pub fn int8(outputs: usize, taps: usize, sources: &[usize], thin: bool) -> ConvLayout {
        let layout = ConvLayout::new(outputs, taps, sources, thin);
        ConvLayout {
            width: layout.width.next_multiple_of(GROUP),
            group: GROUP,
            ..layout
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
        let layout = match graph.quantisation(node) {
            Some(_) => ConvLayout::int8,
            None => ConvLayout::new,
        };
        Some(layout(out, kernel.pow(3), &channels, thin))
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

    /// Shape of the packed tensor: `[ocb, icb, tap, ic, 16]`, or `[ocb, icb, tap, ic / 4, 16, 4]` of
    /// 8-bit weights.
    pub fn shape(&self) -> Vec<usize> {
        let output_blocks = self.outputs.div_ceil(LANES);
        let groups = self.width / self.group;
        let mut shape = vec![output_blocks, self.blocks.len(), self.taps, groups, LANES];
        shape.extend((self.group > 1).then_some(self.group));
        shape
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
    pub fn pack<T: Copy + Default>(&self, logical: &[T]) -> Vec<T> {
        assert_eq!(logical.len(), self.logical_len(), "length of the weights");
        let mut packed = vec![T::default(); self.packed_len()];
        self.for_each(|from, to| packed[to] = logical[from]);
        packed
    }

    /// The logical weights `[out][in][tap]` of a packed tensor.
    ///
    /// # Panics
    /// If `packed` has another length than [`packed_len`](Self::packed_len).
    pub fn unpack<T: Copy + Default>(&self, packed: &[T]) -> Vec<T> {
        assert_eq!(packed.len(), self.packed_len(), "length of the tensor");
        let mut logical = vec![T::default(); self.logical_len()];
        self.for_each(|to, from| logical[to] = packed[from]);
        logical
    }

    /// Checks packed 8-bit weights: padding is zero, and no two neighbours break [`MAX_PAIR_SUM`].
    ///
    /// # Errors
    /// What is wrong.
    ///
    /// # Panics
    /// If `packed` has another length than [`packed_len`](Self::packed_len).
    pub fn check_int8(&self, packed: &[i8]) -> Result<(), &'static str> {
        assert_eq!(packed.len(), self.packed_len(), "length of the tensor");
        let rows = packed.chunks_exact(self.width * LANES);
        for (row, weights) in rows.enumerate() {
            let block = row / self.taps % self.blocks.len();
            let (output_block, (_, inputs)) =
                (row / self.taps / self.blocks.len(), self.blocks[block]);
            let outputs = LANES.min(self.outputs - output_block * LANES);
            if pair_sums_exceed(weights) {
                return Err("a pair of neighbouring weights is too large");
            }
            let padding = |(at, &weight): (usize, &i8)| {
                let (output, input) = (at / GROUP % LANES, at / GROUP / LANES * GROUP + at % GROUP);
                weight != 0 && (output >= outputs || input >= inputs)
            };
            let padded = outputs < LANES || inputs < self.width;
            if padded && weights.iter().enumerate().any(padding) {
                return Err("padding is not zero");
            }
        }
        Ok(())
    }

    /// Calls `visit(logical index, packed index)` for every weight.
    fn for_each(&self, mut visit: impl FnMut(usize, usize)) {
        let inputs = self.inputs();
        for output in 0..self.outputs {
            let (output_block, lane) = (output / LANES, output % LANES);
            for (block, &(start, count)) in self.blocks.iter().enumerate() {
                for within in 0..count {
                    let (group, member) = (within / self.group, within % self.group);
                    for tap in 0..self.taps {
                        let logical = (output * inputs + start + within) * self.taps + tap;
                        let row = (output_block * self.blocks.len() + block) * self.taps + tap;
                        let line = (row * self.width / self.group + group) * LANES + lane;
                        visit(logical, line * self.group + member);
                    }
                }
            }
        }
    }
}

/// Whether any two neighbours (an even index and the next) break [`MAX_PAIR_SUM`] or one is -128.
fn pair_sums_exceed(weights: &[i8]) -> bool {
    let (pairs, _) = weights.as_chunks::<2>();
    pairs.iter().fold(false, |exceeded, &[a, b]| {
        let [a, b] = [i16::from(a), i16::from(b)];
        let positive = a.max(0) + b.max(0);
        let negative = a.min(0) + b.min(0);
        let lowest = a.min(b);
        exceeded
            | (positive > MAX_PAIR_SUM)
            | (negative < -MAX_PAIR_SUM)
            | (lowest == i16::from(i8::MIN))
    })
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

    #[test]
    fn eight_bit_weights_lie_in_groups_of_four() {
        let layout = ConvLayout::int8(18, 27, &[3, 17], false);
        assert_eq!(layout.shape(), [2, 3, 27, 4, 16, 4]);
        let logical: Vec<i8> = (0..layout.logical_len())
            .map(|i| (i % 63) as i8 + 1)
            .collect();
        let packed = layout.pack(&logical);
        assert_eq!(layout.unpack(&packed), logical);
        assert_eq!(packed.iter().filter(|&&w| w != 0).count(), logical.len());
        assert_eq!(layout.check_int8(&packed), Ok(()));
        // Output 17, input 8 (second source's channel 5: group 1, member 1), tap 5.
        let place = ((((3 + 1) * 27 + 5) * 4 + 1) * 16 + 1) * 4 + 1;
        assert_eq!(packed[place], logical[(17 * 20 + 8) * 27 + 5]);
        let image = ConvLayout::int8(2, 27, &[1], true);
        assert_eq!(image.shape(), [1, 1, 27, 1, 16, 4]);
        assert_eq!(image.pack(&[7; 54])[..8], [7, 0, 0, 0, 7, 0, 0, 0]);
    }

    #[test]
    fn pairs_of_eight_bit_weights_stay_below_the_bound() {
        let layout = ConvLayout::int8(1, 1, &[4], true);
        for (weights, good) in [
            ([127, 1, -127, -1], true),
            ([127, -127, -64, -64], true),
            ([1, 127, 127, 1], true),
            ([1, 64, 64, 127], false),
            ([127, 2, 0, 0], false),
            ([0, 0, -2, -127], false),
            ([-128, 0, 0, 0], false),
        ] {
            let packed = layout.pack(&weights);
            assert_eq!(layout.check_int8(&packed).is_ok(), good, "{weights:?}");
        }
    }

    #[test]
    fn padding_of_eight_bit_weights_is_zero() {
        for (layout, padded) in [
            (ConvLayout::int8(16, 1, &[3], true), 16),
            (ConvLayout::int8(15, 1, &[16], false), 16),
            (ConvLayout::int8(32, 1, &[16, 15], false), 32),
            (ConvLayout::int8(32, 27, &[16, 16], false), 0),
        ] {
            let zeros = vec![0; layout.packed_len()];
            let refused = |at: &usize| {
                let mut packed = zeros.clone();
                packed[*at] = 1;
                layout.check_int8(&packed).is_err()
            };
            let places = (0..layout.packed_len()).filter(refused).count();
            assert_eq!(places, layout.packed_len() - layout.logical_len());
            assert_eq!(places, padded);
        }
    }
}
