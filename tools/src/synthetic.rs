//! Checkpoints and images made from nothing, the same here and in `tools/py/synthetic.py`.
//!
//! Every number is a hash of its tensor's name and its index, so that two programs can compare results
//! without exchanging weights.

use crate::state::{StateDict, Tensor};

/// Uniform in `[-1, 1)`, a multiple of 2^-23: the top 24 bits of the output number `index` (from 0) of a
/// splitmix64 generator seeded with the 64-bit FNV-1a hash of `name`.
pub fn uniform(name: &str, index: usize) -> f64 {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let step = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut z = seed.wrapping_add(step);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (z >> 40) as f64 / f64::from(1 << 23) - 1.0
}

/// The tensor `name`: with u its [`uniform`] numbers, `u sqrt(3 / fan-in)` for the weights of a
/// convolution, `1 + u / 4` for those of a norm, `u / 10` for a bias, `0.3 u` for a running mean,
/// `1 + u / 2` for a running variance, 1 for a counter.
pub fn tensor(name: &str, shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let fan_in: usize = shape.iter().skip(1).product();
    let value = |u: f64| match name.rsplit('.').next() {
        Some("weight") if shape.len() > 1 => u * (3.0 / fan_in as f64).sqrt(),
        Some("weight") => 1.0 + u / 4.0,
        Some("running_mean") => u * 0.3,
        Some("running_var") => 1.0 + u / 2.0,
        Some("num_batches_tracked") => 1.0,
        _ => u / 10.0,
    };
    Tensor {
        shape: shape.to_vec(),
        data: (0..count)
            .map(|index| value(uniform(name, index)) as f32)
            .collect(),
    }
}

/// An image `[channel, z, y, x]` on a cube of `grid` voxels an edge: in each channel half a parabolic
/// bump, zero on the cube's faces, half noise.
pub fn image(channels: usize, grid: usize) -> Vec<f32> {
    let bump = |index: usize| {
        let x = (2 * index + 1) as f64 / grid as f64 - 1.0;
        1.0 - x * x
    };
    let mut image = Vec::with_capacity(channels * grid.pow(3));
    for index in 0..channels * grid.pow(3) {
        let [z, y, x] = [
            index / grid.pow(2) % grid,
            index / grid % grid,
            index % grid,
        ];
        let noise = uniform("image", index);
        image.push((bump(z) * bump(y) * bump(x) * 0.5 + noise * 0.5) as f32);
    }
    image
}

/// A `resunet` whose channels double from level to level.
pub fn resunet(base: usize, inputs: usize, outputs: usize) -> StateDict {
    resunet_of(doubling(base), inputs, outputs)
}

/// A `resunet` of any widths, number of inputs and number of outputs.
pub fn resunet_of(widths: [usize; 5], inputs: usize, outputs: usize) -> StateDict {
    let mut state = encoder(widths, inputs);
    for level in (0..4).rev() {
        let [channels, below] = [widths[level], widths[level + 1]];
        conv(&mut state, &format!("us_{level}.conv0"), channels, below, 1);
        let name = if level == 0 {
            "out".into()
        } else {
            format!("de_{level}")
        };
        for (index, width) in [2 * channels, channels, channels].into_iter().enumerate() {
            norm(&mut state, &format!("{name}.in_{index}"), width);
            conv(
                &mut state,
                &format!("{name}.conv{index}"),
                channels,
                width,
                3,
            );
        }
    }
    norm(&mut state, "out.in_3", widths[0]);
    conv(&mut state, "out.conv3", outputs, widths[0], 1);
    state
}

/// An `fcn` of any width, with one input and one output.
pub fn fcn(base: usize) -> StateDict {
    let mut state = encoder(doubling(base), 1);
    for level in 0..5 {
        conv(
            &mut state,
            &format!("us_{level}.conv0"),
            1,
            base << level,
            1,
        );
    }
    conv(&mut state, "conv_0", 1, 5, 1);
    state
}

/// A MeshNet of `hidden` layers of `channels` channels, with one input and two classes.
pub fn meshnet(hidden: usize, channels: usize) -> StateDict {
    let mut state = StateDict::new();
    let mut add = |name: String, shape: &[usize]| {
        let tensor = tensor(&name, shape);
        state.insert(name, tensor);
    };
    for index in 0..hidden {
        let inputs = if index == 0 { 1 } else { channels };
        add(
            format!("model.{}.weight", 3 * index),
            &[channels, inputs, 3, 3, 3],
        );
    }
    add(
        format!("model.{}.weight", 3 * hidden),
        &[2, channels, 1, 1, 1],
    );
    add(format!("model.{}.bias", 3 * hidden), &[2]);
    state
}

fn doubling(base: usize) -> [usize; 5] {
    std::array::from_fn(|level| base << level)
}

fn encoder(widths: [usize; 5], inputs: usize) -> StateDict {
    let mut state = StateDict::new();
    let base = widths[0];
    conv(&mut state, "ins.conv0", base, inputs, 3);
    for index in 0..2 {
        norm(&mut state, &format!("ins.in_{index}"), base);
        conv(&mut state, &format!("ins.conv{}", index + 1), base, base, 3);
    }
    for level in 1..5 {
        let (below, channels) = (widths[level - 1], widths[level]);
        conv(
            &mut state,
            &format!("ds_{}.conv0", level - 1),
            channels,
            below,
            3,
        );
        norm(&mut state, &format!("ds_{}.in_0", level - 1), channels);
        for index in 0..2 {
            norm(&mut state, &format!("en_{level}.in_{index}"), channels);
            conv(
                &mut state,
                &format!("en_{level}.conv{index}"),
                channels,
                channels,
                3,
            );
        }
    }
    state
}

fn conv(state: &mut StateDict, name: &str, out: usize, inputs: usize, kernel: usize) {
    let shape = [out, inputs, kernel, kernel, kernel];
    for (part, shape) in [("weight", &shape[..]), ("bias", &shape[..1])] {
        let name = format!("{name}.{part}");
        state.insert(name.clone(), tensor(&name, shape));
    }
}

fn norm(state: &mut StateDict, name: &str, channels: usize) {
    for part in ["weight", "bias", "running_mean", "running_var"] {
        let name = format!("{name}.{part}");
        state.insert(name.clone(), tensor(&name, &[channels]));
    }
    let name = format!("{name}.num_batches_tracked");
    state.insert(name.clone(), tensor(&name, &[]));
}
