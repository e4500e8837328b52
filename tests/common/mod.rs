//! Models and scans made from nothing.
#![allow(dead_code)] // Not every test needs everything.

pub mod int8;

use endocast::weights::{Graph, Model, ModelWriter, Preprocessing, Role};
use endocast_tools::source::Checkpoint;
use endocast_tools::{Options, StateDict, convert_checkpoint};

/// The model of a checkpoint that never was a file.
pub fn model(state: StateDict) -> Model {
    let checkpoint = Checkpoint {
        state,
        sha256: "0".repeat(64),
    };
    let converted = convert_checkpoint(checkpoint, &Options::default()).unwrap();
    Model::from_bytes(&converted.bytes).unwrap()
}

/// How heads reach [`threshold_model`].
pub const PREPROCESSING: &str = "route=conform grid=32 field_of_view_mm=128 orientation=RAS \
    centre=mass:110 intensity=min-max outputs=brain,tissue threshold=0.5";

/// A model file whose brain is where the mean of 3x3x3 voxels is above half the scan's range, and whose
/// tissue is where it is above three quarters.
pub fn threshold_model() -> Vec<u8> {
    threshold_model_by(PREPROCESSING)
}

/// [`threshold_model`] with preprocessing of another kind.
pub fn threshold_model_by(preprocessing: &str) -> Vec<u8> {
    const GAIN: f32 = 16.0;
    let graph = Graph::parse(
        "input image channels=1\n\
         conv last image out=2 kernel=3 stride=1 dilation=1\n\
         sigmoid probability last\n",
    )
    .unwrap();
    let conv = graph.find("last").unwrap();
    let preprocessing: Preprocessing = preprocessing.parse().unwrap();
    let mut writer = ModelWriter::new("threshold", graph, &preprocessing);
    writer.metadata("source_sha256", &"0".repeat(64)).unwrap();
    writer.metadata("tool", "endocast tests").unwrap();
    writer
        .tensor(conv, Role::Weight, &[GAIN / 27.0; 54])
        .unwrap();
    writer
        .tensor(conv, Role::Bias, &[-0.5 * GAIN, -0.75 * GAIN])
        .unwrap();
    writer.finish().unwrap()
}

/// A head of `int16` voxels: a bright core in a less bright ball (the brain), in a dim shell.
#[derive(Clone)]
pub struct Head {
    pub shape: [usize; 3],
    /// One factor for the brightness of each volume.
    pub volumes: Vec<f64>,
}

pub const SPACING: [f32; 3] = [3.0, 2.5, 3.0];
/// Radius of the brain, in mm.
pub const BRAIN_MM: f64 = 32.0;
const CORE_MM: f64 = 20.0;
const SHELL_MM: f64 = 44.0;

pub fn head(shape: [usize; 3]) -> Head {
    Head {
        shape,
        volumes: vec![1.0],
    }
}

impl Head {
    /// The voxels, first axis fastest.
    pub fn voxels(&self) -> Vec<i16> {
        let [nx, ny, nz] = self.shape;
        let mut voxels = Vec::new();
        for volume in &self.volumes {
            for index in 0..nx * ny * nz {
                let at = [index % nx, index / nx % ny, index / nx / ny];
                let squares = [0, 1, 2].map(|axis| {
                    let middle = (self.shape[axis] - 1) as f64 / 2.0;
                    ((at[axis] as f64 - middle) * f64::from(SPACING[axis])).powi(2)
                });
                let radius = squares.iter().sum::<f64>().sqrt();
                let value = match radius {
                    r if r < CORE_MM => 1000.0,
                    r if r < BRAIN_MM => 700.0,
                    r if r < SHELL_MM => 200.0,
                    _ => 0.0,
                };
                voxels.push((value * volume) as i16 + (index % 7) as i16);
            }
        }
        voxels
    }

    /// The NIfTI-1 file, with first axis to the left and values in fields that must survive.
    pub fn file(&self) -> Vec<u8> {
        let mut file = vec![0; 352];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &348_i32.to_le_bytes());
        let series = self.volumes.len();
        let [x, y, z] = self.shape;
        let dims = [3 + usize::from(series > 1), x, y, z, series, 1, 1, 1];
        for (index, dim) in dims.into_iter().enumerate() {
            put(40 + 2 * index, &(dim as i16).to_le_bytes());
        }
        put(70, &4_i16.to_le_bytes());
        put(72, &16_i16.to_le_bytes());
        let sizes = [1.0, SPACING[0], SPACING[1], SPACING[2], 2.0];
        for (index, size) in sizes.into_iter().enumerate() {
            put(76 + 4 * index, &f32::to_le_bytes(size));
        }
        put(108, &352_f32.to_le_bytes());
        put(112, &1_f32.to_le_bytes());
        put(123, &[2 | 8]);
        put(124, &900_f32.to_le_bytes());
        put(148, b"a phantom");
        put(254, &1_i16.to_le_bytes());
        let sform = [
            [-SPACING[0], 0.0, 0.0, 58.0],
            [0.0, SPACING[1], 0.0, -50.0],
            [0.0, 0.0, SPACING[2], -60.0],
        ];
        for (index, value) in sform.into_iter().flatten().enumerate() {
            put(280 + 4 * index, &value.to_le_bytes());
        }
        put(344, b"n+1\0");
        file.extend(self.voxels().into_iter().flat_map(i16::to_le_bytes));
        file
    }
}
