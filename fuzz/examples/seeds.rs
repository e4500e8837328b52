//! Writes the files that fuzzing starts from: `cargo run --example seeds FOLDER` makes
//! `FOLDER/<target>/<name>`.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;

use endocast::weights::{Graph, Model, ModelWriter, Role};
use endocast_tools::source::Checkpoint;
use endocast_tools::{Options, StateDict, convert_checkpoint, synthetic};
use flate2::{Compression, GzBuilder};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const SHAPE: [i16; 3] = [3, 4, 2];

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).ok_or("name a folder")?;
    let folder = Path::new(&folder);
    let write = |target: &str, name: &str, bytes: &[u8]| {
        fs::create_dir_all(folder.join(target))?;
        fs::write(folder.join(target).join(name), bytes)
    };
    for (name, scan) in scans() {
        write("nifti", &name, &scan)?;
        for level in [0, 1, 9] {
            let packed = gzip(&scan, level)?;
            write("gzip", &format!("{name}-{level}"), &packed[2..])?;
            if level == 1 {
                write("nifti", &format!("{name}-gzip"), &packed)?;
            }
        }
        let (front, back) = scan.split_at(scan.len() / 2);
        let members = [gzip(front, 6)?, gzip(back, 6)?].concat();
        write("gzip", &format!("{name}-members"), &members[2..])?;
    }
    for (name, state) in [
        ("resunet", synthetic::resunet_of([1; 5], 1, 1)),
        ("resunet-2", synthetic::resunet_of([1, 2, 1, 3, 2], 1, 2)),
        ("meshnet", synthetic::meshnet(5, 1)),
    ] {
        write("checkpoint", name, &tensors(&state)?)?;
        let sha256 = "0".repeat(64);
        let converted = convert_checkpoint(Checkpoint { state, sha256 }, &Options::default())?;
        let graph = Model::from_bytes(&converted.bytes)?.graph().to_string();
        write("model", name, graph.as_bytes())?;
    }
    let (json, weights) = tfjs();
    write(
        "checkpoint",
        "tfjs",
        &[json.as_bytes(), &[0], &weights].concat(),
    )?;
    write("model", "threshold", &threshold()?)?;
    for (name, text) in GRAPHS {
        write("model", name, text.as_bytes())?;
        write(
            "model",
            &format!("{name}-weights"),
            &[text.as_bytes(), b"\0\x20\xe0\x07"].concat(),
        )?;
    }
    Ok(())
}

fn gzip(bytes: &[u8], level: u32) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new()
        .filename("scan.nii")
        .write(Vec::new(), Compression::new(level));
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// Small scans of every version, byte order and kind.
fn scans() -> Vec<(String, Vec<u8>)> {
    let mut scans = vec![("mgh".into(), mgh())];
    for (code, size) in [(2, 1), (4, 2), (16, 4), (64, 8), (1024, 8)] {
        scans.push((format!("one-{code}"), nifti_1(code, size, 1)));
        scans.push((format!("two-{code}"), nifti_2(code, size)));
    }
    scans.push(("one-series".into(), nifti_1(512, 2, 3)));
    scans
}

/// Overwrites the bytes from `at` on.
fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

fn voxels(size: usize, volumes: usize) -> Vec<u8> {
    let count = SHAPE.iter().product::<i16>() as usize * volumes;
    (0..count * size)
        .map(|index| (index * 7 % 61) as u8)
        .collect()
}

/// Little-endian, placed by its qform and sform.
fn nifti_1(code: i16, size: usize, volumes: i16) -> Vec<u8> {
    let mut file = vec![0; 352];
    put(&mut file, 0, &348_i32.to_le_bytes());
    let [x, y, z] = SHAPE;
    let dims = [if volumes > 1 { 4 } else { 3 }, x, y, z, volumes, 1, 1, 1];
    for (index, dim) in dims.into_iter().enumerate() {
        put(&mut file, 40 + 2 * index, &dim.to_le_bytes());
    }
    put(&mut file, 70, &code.to_le_bytes());
    put(&mut file, 72, &(8 * size as i16).to_le_bytes());
    for (index, value) in [1.0_f32, 2.0, 2.0, 3.0, 1.0].into_iter().enumerate() {
        put(&mut file, 76 + 4 * index, &value.to_le_bytes());
    }
    put(&mut file, 108, &352_f32.to_le_bytes());
    put(&mut file, 112, &0.5_f32.to_le_bytes());
    put(&mut file, 252, &1_i16.to_le_bytes());
    put(&mut file, 254, &1_i16.to_le_bytes());
    put(&mut file, 256, &0.1_f32.to_le_bytes());
    for (row, diagonal) in [-2.0_f32, 2.0, 3.0].into_iter().enumerate() {
        put(&mut file, 280 + 16 * row + 4 * row, &diagonal.to_le_bytes());
    }
    put(&mut file, 344, b"n+1\0");
    file.extend(voxels(size, volumes as usize));
    file
}

/// Big-endian, placed by its sform.
fn nifti_2(code: i16, size: usize) -> Vec<u8> {
    let mut file = vec![0; 544];
    put(&mut file, 0, &540_i32.to_be_bytes());
    put(&mut file, 4, b"n+2\0\r\n\x1a\n");
    put(&mut file, 12, &code.to_be_bytes());
    put(&mut file, 14, &(8 * size as i16).to_be_bytes());
    let [x, y, z] = SHAPE;
    for (index, dim) in [3, x, y, z, 1, 1, 1, 1].into_iter().enumerate() {
        put(&mut file, 16 + 8 * index, &i64::from(dim).to_be_bytes());
    }
    for (index, value) in [1.0_f64, 2.0, 2.0, 3.0].into_iter().enumerate() {
        put(&mut file, 104 + 8 * index, &value.to_be_bytes());
    }
    put(&mut file, 168, &544_i64.to_be_bytes());
    put(&mut file, 348, &1_i32.to_be_bytes());
    for (row, diagonal) in [2.0_f64, 2.0, 3.0].into_iter().enumerate() {
        put(&mut file, 400 + 32 * row + 8 * row, &diagonal.to_be_bytes());
    }
    file.extend(voxels(size, 1));
    file
}

fn mgh() -> Vec<u8> {
    let mut file = vec![0; 284];
    let [x, y, z] = SHAPE;
    for (index, value) in [1, x, y, z, 1, 4].into_iter().enumerate() {
        put(&mut file, 4 * index, &i32::from(value).to_be_bytes());
    }
    put(&mut file, 28, &1_i16.to_be_bytes());
    let axes = [
        2.0_f32, 2.0, 3.0, -1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0,
    ];
    for (index, value) in axes.into_iter().enumerate() {
        put(&mut file, 30 + 4 * index, &value.to_be_bytes());
    }
    file.extend(voxels(2, 1));
    file
}

fn tensors(state: &StateDict) -> Result<Vec<u8>> {
    let bytes: Vec<Vec<u8>> = state
        .values()
        .map(|tensor| {
            tensor
                .data
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        })
        .collect();
    let mut views = Vec::new();
    for ((name, tensor), bytes) in state.iter().zip(&bytes) {
        views.push((
            name,
            TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?,
        ));
    }
    Ok(safetensors::serialize(views, None)?)
}

/// The smallest MeshNet: `model.json` and its weights.
fn tfjs() -> (String, Vec<u8>) {
    let input = r#"{"class_name":"InputLayer","name":"i","config":{},"inbound_nodes":[]}"#;
    let (mut layers, mut weights, mut floats) = (vec![input.to_string()], Vec::new(), 0);
    let mut previous = "i".to_string();
    for index in 0..=5 {
        let hidden = index < 5;
        let name = format!("c{index}{}", if hidden { "_gn" } else { "" });
        let dilation = [16, 8, 4, 2, 1, 1][index];
        let kernel = if hidden { 3 } else { 1 };
        let outputs = if hidden { 1 } else { 2 };
        layers.push(format!(
            r#"{{"class_name":"Conv3D","name":"{name}","config":{{"kernel_size":[{kernel},{kernel},{kernel}],"strides":[1,1,1],"dilation_rate":[{dilation},{dilation},{dilation}],"padding":"same","data_format":"channels_last","activation":"linear","use_bias":{}}},"inbound_nodes":[[["{previous}",0,0,{{}}]]]}}"#,
            !hidden
        ));
        previous = name.clone();
        weights.push(format!(
            r#"{{"name":"{name}/kernel","dtype":"float32","shape":[{kernel},{kernel},{kernel},1,{outputs}]}}"#
        ));
        floats += usize::pow(kernel, 3) * outputs;
        if hidden {
            layers.push(format!(
                r#"{{"class_name":"Activation","name":"a{index}","config":{{"activation":"gelu"}},"inbound_nodes":[[["{previous}",0,0,{{}}]]]}}"#
            ));
            previous = format!("a{index}");
        }
    }
    weights.push(r#"{"name":"c5/bias","dtype":"float32","shape":[2]}"#.into());
    floats += 2;
    let json = format!(
        r#"{{"format":"layers-model","modelTopology":{{"model_config":{{"config":{{"layers":[{}]}}}}}},"weightsManifest":[{{"paths":["w.bin"],"weights":[{}]}}]}}"#,
        layers.join(","),
        weights.join(",")
    );
    let floats = (0..floats).flat_map(|index| (index as f32 / 64.0 - 1.0).to_le_bytes());
    (json, floats.collect())
}

/// A model file of one convolution.
fn threshold() -> Result<Vec<u8>> {
    let graph = Graph::parse(GRAPHS[0].1)?;
    let conv = graph.find("c").ok_or("there is a convolution")?;
    let preprocessing = "route=conform grid=32 field_of_view_mm=128 orientation=RAS centre=mass:110 \
        intensity=min-max outputs=brain,tissue threshold=0.5";
    let mut writer = ModelWriter::new("threshold", graph, &preprocessing.parse()?);
    writer.tensor(conv, Role::Weight, &[0.5; 54])?;
    writer.tensor(conv, Role::Bias, &[-8.0, -12.0])?;
    Ok(writer.finish()?)
}

/// Networks with every operation.
const GRAPHS: [(&str, &str); 4] = [
    (
        "text-one",
        "input i channels=1\nconv c i out=2 kernel=3 stride=1 dilation=1\nsigmoid p c\n",
    ),
    (
        "text-residual",
        "input i channels=1\nconv a i out=3 kernel=3 stride=1 dilation=1\nleaky_relu b a slope=0.01\n\
        conv c b out=3 kernel=3 stride=1 dilation=1\nadd x c a\nconv d x out=17 kernel=3 stride=2 dilation=1\n\
        conv e d out=5 kernel=1 stride=1 dilation=1\nupsample u e factor=2\naffine f x\n\
        leaky_relu g f slope=0.1\nconcat j u g\nconv k j out=2 kernel=1 stride=1 dilation=1\nsoftmax p k\n",
    ),
    (
        "text-meshnet",
        "input i channels=1\nconv a i out=5 kernel=3 stride=1 dilation=2\ninstance_norm n a epsilon=1e-5\n\
        gelu g n\nconv b g out=2 kernel=3 stride=1 dilation=1\nsigmoid p b\n",
    ),
    (
        "text-int8",
        "input i channels=1\nquantize q i scale=4e-3 zero=7\nconv a q out=16 kernel=3 stride=1 dilation=1\n\
        leaky_relu l a slope=0.01\nquantize r l scale=1.5e-2 zero=3\nconv b r out=16 kernel=3 stride=1 dilation=1\n\
        quantize s b scale=2e-2 zero=100\nconv e s out=2 kernel=1 stride=1 dilation=1\nsigmoid p e\n",
    ),
];
