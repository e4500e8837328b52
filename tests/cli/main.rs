//! The built command, as a user meets it: files in, files, one line and an exit code out.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use common::{BRAIN_MM, Head, PREPROCESSING, SPACING, head, threshold_model};
use endocast::volume::{FourD, Scan};
use endocast_tools::{StateDict, synthetic};
use tempfile::TempDir;

const SHAPE: [usize; 3] = [40, 44, 36];

/// A folder with `head.nii` and `threshold.model`.
struct Bench(TempDir);

impl Bench {
    fn new() -> Bench {
        let bench = Bench(tempfile::tempdir().unwrap());
        bench.write("head.nii", &head(SHAPE).file());
        bench.write("threshold.model", &threshold_model());
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn scan(&self, name: &str) -> Scan {
        Scan::read(self.path(name), FourD::First).unwrap()
    }

    /// Values of a file, first axis fastest.
    fn values(&self, name: &str) -> Vec<f32> {
        self.scan(name).to_array().0.t().iter().copied().collect()
    }

    /// Names of all files, sorted, hidden ones included.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The command, started in the folder.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_endocast"));
        command.args(arguments).current_dir(self.0.path());
        command.env_remove("ENDOCAST_CPU");
        command
    }

    /// Runs the command and returns what it printed.
    fn good(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// `extract` with the threshold model.
    fn extract(&self, arguments: &[&str]) {
        let all = [
            &["extract", "--model", "threshold.model", "-t", "2"],
            arguments,
        ]
        .concat();
        assert_eq!(self.good(&all), "");
    }

    /// Runs `extract`, which must fail with one line that holds all of `words`, and leave nothing behind.
    fn refused(&self, arguments: &[&str], code: i32, words: &[&str]) {
        let before = self.files();
        let all = [&["extract", "--model", "threshold.model"], arguments].concat();
        let output = self.command(&all).output().unwrap();
        assert_failed(&output, code, words);
        let lines = String::from_utf8_lossy(&output.stderr).lines().count();
        assert_eq!(lines, 1, "{output:?}");
        assert_eq!(self.files(), before);
    }
}

fn assert_failed(output: &Output, code: i32, words: &[&str]) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(output.stdout.is_empty(), "{output:?}");
    for word in words {
        assert!(errors.contains(word), "no '{word}' in: {errors}");
    }
}

fn count(mask: &[f32]) -> usize {
    mask.iter().filter(|&&voxel| voxel != 0.0).count()
}

fn millilitres(mask: &[f32]) -> f64 {
    count(mask) as f64 * SPACING.iter().map(|&edge| f64::from(edge)).product::<f64>() / 1000.0
}

#[test]
fn extract_writes_brain_and_mask_beside_the_input() {
    let bench = Bench::new();
    bench.extract(&["head.nii"]);
    let expected = [
        "head.nii",
        "head_brain.nii.gz",
        "head_brain_mask.nii.gz",
        "threshold.model",
    ];
    assert_eq!(bench.files(), expected);

    let mask = bench.values("head_brain_mask.nii.gz");
    assert!(mask.iter().all(|&value| value == 0.0 || value == 1.0));
    let ball = 4.0 / 3.0 * std::f64::consts::PI * BRAIN_MM.powi(3) / 1000.0;
    let found = millilitres(&mask);
    assert!((found / ball - 1.0).abs() < 0.2, "{found} {ball}");

    let brain = bench.values("head_brain.nii.gz");
    let voxels = head(SHAPE).voxels();
    for ((&brain, &mask), &voxel) in brain.iter().zip(&mask).zip(&voxels) {
        assert_eq!(brain, f32::from(voxel) * mask);
    }
}

#[test]
fn names_of_other_forms_give_the_same_stem() {
    let bench = Bench::new();
    fs::rename(bench.path("head.nii"), bench.path("sub-01_T1w.v2.nii")).unwrap();
    bench.extract(&["sub-01_T1w.v2.nii"]);
    assert!(bench.path("sub-01_T1w.v2_brain.nii.gz").exists());
    assert!(bench.path("sub-01_T1w.v2_brain_mask.nii.gz").exists());
    fs::create_dir(bench.path("derived")).unwrap();
    fs::copy(
        bench.path("sub-01_T1w.v2_brain.nii.gz"),
        bench.path("derived/again.NII.GZ"),
    )
    .unwrap();
    bench.extract(&["derived/again.NII.GZ"]);
    assert!(bench.path("derived/again_brain.nii.gz").exists());
    assert!(bench.path("derived/again_brain_mask.nii.gz").exists());
}

#[test]
fn outputs_keep_grid_and_header_of_the_input() {
    let bench = Bench::new();
    bench.extract(&[
        "head.nii", "-o", "b.nii", "-m", "m.nii", "--prob", "p.nii", "--json", "r.json",
    ]);
    let expected = [
        "b.nii",
        "head.nii",
        "m.nii",
        "p.nii",
        "r.json",
        "threshold.model",
    ];
    assert_eq!(bench.files(), expected);

    let input = bench.scan("head.nii");
    for (name, bytes) in [("b.nii", 2), ("m.nii", 1), ("p.nii", 4)] {
        let scan = bench.scan(name);
        assert_eq!(scan.geometry().shape, SHAPE);
        assert_eq!(scan.geometry().affine, input.geometry().affine);
        let voxels: usize = SHAPE.iter().product();
        let len = fs::metadata(bench.path(name)).unwrap().len();
        assert_eq!(len, (352 + voxels * bytes) as u64);
        // Masks and maps differ in what describes the values.
        let values = [68..74, 112..120, 124..132, 328..344];
        for (at, (found, expected)) in scan
            .header()
            .bytes()
            .iter()
            .zip(input.header().bytes())
            .enumerate()
        {
            let may_differ = name != "b.nii" && values.iter().any(|range| range.contains(&at));
            assert!(found == expected || may_differ, "{name}, byte {at}");
        }
    }
    // A ball has no holes and is one piece, so the mask is the map above the threshold.
    let (mask, map) = (bench.values("m.nii"), bench.values("p.nii"));
    for (mask, map) in mask.iter().zip(&map) {
        assert_eq!(*mask != 0.0, *map >= 0.5, "{map}");
    }

    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(bench.path("r.json")).unwrap()).unwrap();
    assert_eq!(report["input"], "head.nii");
    assert_eq!(report["brain"], "b.nii");
    assert_eq!(report["mask"], "m.nii");
    assert_eq!(report["probability"], "p.nii");
    assert_eq!(report["model"], "threshold");
    assert_eq!(report["output"], "brain");
    assert_eq!(report["shape"], serde_json::json!(SHAPE));
    assert_eq!(report["orientation"], "LAS");
    assert_eq!(report["threads"], 2);
    let found = report["brain_ml"].as_f64().unwrap();
    assert!((found - millilitres(&mask)).abs() < 1e-6, "{report}");
    let seconds = |part: &str| report["seconds"][part].as_f64().unwrap();
    let parts = ["read", "load", "pre", "network", "post", "write"].map(seconds);
    assert!(parts.iter().all(|&part| part >= 0.0));
    assert!(parts.iter().sum::<f64>() <= seconds("total"), "{report}");
}

#[test]
fn only_what_is_asked_for_is_written() {
    let bench = Bench::new();
    bench.extract(&["head.nii", "--mask", "m.nii.gz"]);
    assert_eq!(bench.files(), ["head.nii", "m.nii.gz", "threshold.model"]);
    bench.extract(&["head.nii", "--brain", "b.hdr"]);
    let expected = ["b.hdr", "b.img", "head.nii", "m.nii.gz", "threshold.model"];
    assert_eq!(bench.files(), expected);
}

#[test]
fn options_change_the_mask() {
    let bench = Bench::new();
    bench.extract(&["head.nii", "-m", "usual.nii"]);
    bench.extract(&["head.nii", "-m", "tissue.nii", "--no-csf"]);
    bench.extract(&["head.nii", "-m", "low.nii", "--threshold", "0.01"]);
    let [usual, tissue, low] =
        ["usual.nii", "tissue.nii", "low.nii"].map(|name| count(&bench.values(name)));
    assert!(0 < tissue && tissue < usual && usual < low);
}

#[test]
fn threads_and_runs_give_the_same_bytes() {
    let bench = Bench::new();
    for (name, threads) in [("1.nii.gz", "1"), ("2.nii.gz", "2"), ("3.nii.gz", "3")] {
        bench.extract(&["head.nii", "-o", name]);
        let model = ["extract", "--model", "threshold.model", "head.nii"];
        let probabilities = format!("prob{name}");
        let outputs = ["-o", name, "--prob", &probabilities, "-t", threads];
        bench.good(&[&model[..], &outputs].concat());
    }
    let bytes = |name: &str| fs::read(bench.path(name)).unwrap();
    for prefix in ["", "prob"] {
        let first = bytes(&format!("{prefix}1.nii.gz"));
        assert!(bytes(&format!("{prefix}2.nii.gz")) == first);
        assert!(bytes(&format!("{prefix}3.nii.gz")) == first);
    }
}

#[test]
fn a_volume_of_a_series_can_be_chosen() {
    let bench = Bench::new();
    let series = Head {
        volumes: vec![0.5, 1.0, 1.5],
        ..head(SHAPE)
    };
    bench.write("series.nii", &series.file());
    let voxels: usize = SHAPE.iter().product();
    let all = series.voxels();
    for (choice, number) in [("0", 0), ("1", 1), ("2", 2)] {
        bench.extract(&[
            "series.nii",
            "-o",
            "b.nii",
            "-m",
            "m.nii",
            "--volume",
            choice,
        ]);
        let chosen = &all[number * voxels..][..voxels];
        let (brain, mask) = (bench.values("b.nii"), bench.values("m.nii"));
        assert!(count(&mask) > 0);
        for ((&brain, &mask), &voxel) in brain.iter().zip(&mask).zip(chosen) {
            assert_eq!(brain, f32::from(voxel) * mask);
        }
    }
    bench.extract(&[
        "series.nii",
        "-o",
        "b.nii",
        "-m",
        "m.nii",
        "--volume",
        "mean",
    ]);
    let (brain, mask) = (bench.values("b.nii"), bench.values("m.nii"));
    for (index, (&brain, &mask)) in brain.iter().zip(&mask).enumerate() {
        let sum: f64 = [0, 1, 2]
            .map(|number| f64::from(all[number * voxels + index]))
            .iter()
            .sum();
        assert!((f64::from(brain) - sum / 3.0 * f64::from(mask)).abs() < 1e-3);
    }

    // Without a choice the first is taken, and that is said.
    let arguments = ["extract", "--model", "threshold.model", "series.nii"];
    let output = bench.command(&arguments).output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("series.nii") && said.contains("first of 3 volumes"),
        "{said}"
    );
    bench.refused(
        &["series.nii", "--volume", "3"],
        3,
        &["series.nii", "no volume 3"],
    );
}

#[test]
fn a_wrong_command_line_gives_2() {
    let bench = Bench::new();
    let wrong: [&[&str]; 10] = [
        &[],
        &["frobnicate"],
        &["extract"],
        &["extract", "head.nii", "--frobnicate"],
        &["extract", "head.nii", "-t", "0"],
        &["extract", "head.nii", "--threshold", "1.5"],
        &["extract", "head.nii", "--volume", "last"],
        &["compare", "head.nii"],
        &["convert", "head.nii"],
        &["explain", "--grid", "many"],
    ];
    let before = bench.files();
    for arguments in wrong {
        let output = bench.command(arguments).output().unwrap();
        assert_failed(&output, 2, &["--help"]);
    }
    assert_eq!(bench.files(), before);
}

#[test]
fn an_unusable_input_gives_3() {
    let bench = Bench::new();
    let good = head(SHAPE).file();
    let changed = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    bench.write("text.nii", b"This is not a scan.");
    bench.write("empty.nii", b"");
    bench.write("short.nii", &good[..good.len() - 1]);
    bench.write("magic.nii", &changed(344, b"n+9\0"));
    bench.write("complex.nii", &changed(70, &32_i16.to_le_bytes()));
    bench.write("flat.nii", &changed(46, &0_i16.to_le_bytes()));
    bench.write("gzip.nii.gz", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2]);
    let constant = [&good[..352], &vec![7; good.len() - 352][..]].concat();
    bench.write("constant.nii", &constant);
    for (name, cause) in [
        ("absent.nii", "cannot open"),
        (".", "not a regular file"),
        ("text.nii", "not a NIfTI file"),
        ("empty.nii", "not a NIfTI file"),
        ("short.nii", "truncated"),
        ("magic.nii", "magic"),
        ("complex.nii", "complex"),
        ("flat.nii", "dim[3]"),
        ("gzip.nii.gz", "gzip"),
        ("constant.nii", "constant"),
    ] {
        bench.refused(&[name, "-o", "out.nii"], 3, &[name, cause]);
    }
}

#[test]
fn an_unwritable_output_gives_4() {
    let bench = Bench::new();
    fs::create_dir(bench.path("folder.nii")).unwrap();
    for option in ["-o", "-m", "--prob"] {
        for (name, cause) in [
            ("nowhere/out.nii", "cannot write"),
            ("out.png", "output names end in"),
            ("folder.nii", "cannot write"),
        ] {
            // The other outputs are not written either.
            bench.refused(&["head.nii", option, name], 4, &[name, cause]);
        }
    }
    bench.refused(
        &["head.nii", "-m", "m.nii", "--prob", "nowhere/p.nii"],
        4,
        &["nowhere/p.nii"],
    );
    bench.refused(
        &["head.nii", "-m", "m.nii", "--json", "nowhere/r.json"],
        4,
        &["nowhere/r.json"],
    );
}

#[test]
fn a_damaged_model_gives_6() {
    let bench = Bench::new();
    let good = threshold_model();
    bench.write("short.model", &good[..good.len() - 64]);
    bench.write("text.model", b"This is not a model.");
    bench.write("other.model", &head(SHAPE).file());
    for (name, cause) in [
        ("absent.model", "cannot read the model"),
        ("short.model", "data section has"),
        ("text.model", "header"),
        ("other.model", "data section starts"),
    ] {
        for command in [
            &["extract", "head.nii"][..],
            &["info"],
            &["explain", "-t", "1"],
        ] {
            let before = bench.files();
            let output = bench
                .command(&[command, &["--model", name]].concat())
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(6), "{command:?} {name}");
            let errors = String::from_utf8(output.stderr).unwrap();
            assert!(errors.contains(name) && errors.contains(cause), "{errors}");
            assert_eq!(errors.lines().count(), 1, "{errors}");
            assert_eq!(bench.files(), before);
        }
    }
    let mut damaged = good;
    *damaged.last_mut().unwrap() ^= 1;
    bench.write("damaged.model", &damaged);
    let output = bench
        .command(&["info", "--model", "damaged.model"])
        .output();
    assert_eq!(output.unwrap().status.code(), Some(6));
}

#[test]
fn no_brain_gives_7() {
    let bench = Bench::new();
    bench.refused(
        &["head.nii", "--threshold", "0.99999"],
        7,
        &["head.nii", "no brain found"],
    );
}

#[test]
fn help_is_there() {
    let bench = Bench::new();
    let help = bench.good(&["--help"]);
    for word in ["extract", "convert", "compare", "explain", "Exit codes"] {
        assert!(help.contains(word), "{help}");
    }
    assert!(
        bench
            .good(&["--version"])
            .contains(env!("CARGO_PKG_VERSION"))
    );
    for command in [
        "extract", "convert", "info", "explain", "bench", "compare", "selftest",
    ] {
        let help = bench.good(&[command, "--help"]);
        assert!(
            help.contains(&format!("Usage: endocast {command}")),
            "{help}"
        );
    }
}

#[test]
fn the_instruction_set_can_be_capped() {
    let bench = Bench::new();
    let explain = |cap: &str, more: &[&str]| {
        let arguments = ["explain", "--model", "threshold.model", "-t", "1"];
        let mut command = bench.command(&[&arguments[..], more].concat());
        let output = command.env("ENDOCAST_CPU", cap).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let scalar = explain("scalar", &[]);
    assert!(scalar.starts_with("instruction sets: scalar\n"), "{scalar}");
    if cfg!(target_arch = "x86_64") {
        let sse2 = explain("sse2", &[]);
        assert!(
            sse2.starts_with("instruction sets: scalar sse2\n"),
            "{sse2}"
        );
        let chosen = |plan: &str, isa: &str| {
            let mut lines = plan.lines().map(str::trim);
            lines.any(|line| line.starts_with("conv") && line.contains(isa))
        };
        assert!(chosen(&sse2, "sse2") && !chosen(&sse2, "avx"), "{sse2}");
        assert!(!chosen(&scalar, "sse2"), "{scalar}");
        // Richer kernels are listed with the reason against them.
        let refusals: Vec<_> = sse2.lines().filter(|line| line.contains(" not ")).collect();
        assert!(
            refusals
                .iter()
                .any(|line| line.contains("avx2") && line.contains(": ")),
            "{sse2}"
        );
        let kernels = explain("sse2", &["--kernels"]);
        for line in kernels.lines().skip(1) {
            let usable = !line.contains("avx");
            assert_eq!(line.ends_with("not usable"), !usable, "{line}");
        }
    }

    for command in [&["extract", "head.nii"][..], &["explain"], &["selftest"]] {
        let before = bench.files();
        let all = [command, &["--model", "threshold.model"]].concat();
        let output = bench.command(&all).env("ENDOCAST_CPU", "avx3").output();
        assert_failed(&output.unwrap(), 2, &["ENDOCAST_CPU", "avx3", "sse2"]);
        assert_eq!(bench.files(), before);
    }
}

/// A mask file of ones in the box between two corners (exclusive), of [`SPACING`].
fn cuboid(bench: &Bench, name: &str, from: [usize; 3], to: [usize; 3]) {
    let scan = bench.scan("head.nii");
    let mask = ndarray::Array3::from_shape_fn(SHAPE, |(x, y, z)| {
        let at = [x, y, z];
        u8::from((0..3).all(|axis| (from[axis]..to[axis]).contains(&at[axis])))
    });
    scan.write_mask(bench.path(name), &mask).unwrap();
}

#[test]
fn compare_knows_overlap_distance_and_volume() {
    let bench = Bench::new();
    cuboid(&bench, "a.nii", [10, 10, 10], [20, 20, 20]);
    cuboid(&bench, "b.nii", [12, 10, 10], [22, 20, 20]);
    cuboid(&bench, "none.nii", [0; 3], [0; 3]);
    let figures = |mask: &str, reference: &str| -> serde_json::Value {
        let text = bench.good(&["compare", mask, reference, "--json", "-"]);
        serde_json::from_str(&text).unwrap()
    };
    let near = |figures: &serde_json::Value, name: &str, expected: f64| {
        let found = figures[name].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-9, "{name}: {figures}");
    };

    let same = figures("a.nii", "a.nii");
    for name in [
        "hausdorff_mm",
        "hd95_mm",
        "mean_surface_distance_mm",
        "volume_error",
    ] {
        near(&same, name, 0.0);
    }
    for name in ["dice", "sensitivity", "specificity"] {
        near(&same, name, 1.0);
    }

    // Shifted by two voxels of 3 mm: 800 of 1000 voxels in common.
    let shifted = figures("a.nii", "b.nii");
    near(&shifted, "dice", 0.8);
    near(&shifted, "sensitivity", 0.8);
    let outside = (SHAPE.iter().product::<usize>() - 1000) as f64;
    near(&shifted, "specificity", 1.0 - 200.0 / outside);
    near(&shifted, "hausdorff_mm", 6.0);
    near(&shifted, "volume_ml", 22.5);
    near(&shifted, "reference_volume_ml", 22.5);
    near(&shifted, "volume_error", 0.0);

    let empty = figures("none.nii", "a.nii");
    near(&empty, "dice", 0.0);
    assert!(empty["hausdorff_mm"].is_null(), "{empty}");

    let text = bench.good(&["compare", "a.nii", "b.nii"]);
    assert!(
        text.lines()
            .any(|line| line.starts_with("dice") && line.contains("0.8000"))
    );

    bench.write("small.nii", &head([10, 10, 10]).file());
    for (other, words) in [
        ("small.nii", ["small.nii", "same voxel grid"]),
        ("absent.nii", ["absent.nii", "cannot open"]),
    ] {
        let output = bench
            .command(&["compare", "a.nii", other])
            .output()
            .unwrap();
        assert_failed(&output, 3, &words);
    }
}

/// A checkpoint as a safetensors file.
fn safetensors(state: &StateDict) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for (name, tensor) in state {
        let start = data.len();
        data.extend(tensor.data.iter().flat_map(|value| value.to_le_bytes()));
        let entry = serde_json::json!({
            "dtype": "F32", "shape": tensor.shape, "data_offsets": [start, data.len()],
        });
        header.insert(name.clone(), entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

#[test]
fn a_converted_checkpoint_extracts() {
    let bench = Bench::new();
    let state = synthetic::resunet(2, 1, 2);
    bench.write("net.safetensors", &safetensors(&state));
    let said = bench.good(&[
        "convert",
        "net.safetensors",
        "-o",
        "net.model",
        "--name",
        "mine",
        "--license",
        "MIT",
        "--preprocessing",
        PREPROCESSING,
    ]);
    assert!(
        said.contains("resunet") && said.contains("net.model"),
        "{said}"
    );
    let info = bench.good(&["info", "--model", "net.model"]);
    for words in ["mine", "MIT", PREPROCESSING, "checksum       good"] {
        assert!(info.contains(words), "{info}");
    }
    // The network knows nothing of brains; any voxel will do.
    bench.good(&[
        "extract",
        "--model",
        "net.model",
        "head.nii",
        "-m",
        "m.nii",
        "--prob",
        "p.nii",
        "--threshold",
        "0.01",
    ]);
    assert!(count(&bench.values("m.nii")) > 0);
}

#[test]
fn a_wrong_checkpoint_names_what_is_wrong() {
    let bench = Bench::new();
    let good = synthetic::resunet(2, 1, 1);
    let mut strange = good.clone();
    strange.insert(
        "extra.weight".into(),
        synthetic::tensor("extra.weight", &[3]),
    );
    strange.insert("more.bias".into(), synthetic::tensor("more.bias", &[3]));
    strange.remove("out.conv3.bias");
    bench.write("strange.safetensors", &safetensors(&strange));
    let mut unknown = StateDict::new();
    unknown.insert(
        "layer.weight".into(),
        synthetic::tensor("layer.weight", &[3]),
    );
    bench.write("unknown.safetensors", &safetensors(&unknown));
    bench.write("text.pt", b"This is not a checkpoint.");
    bench.write("good.safetensors", &safetensors(&good));
    let before = bench.files();
    let cases: [(&str, &str, i32, &[&str]); 5] = [
        (
            "strange.safetensors",
            "out.model",
            3,
            &["'extra.weight'", "'more.bias'", "out.conv3.bias"],
        ),
        ("unknown.safetensors", "out.model", 3, &["layer.weight"]),
        ("text.pt", "out.model", 3, &["not a checkpoint"]),
        ("absent.pt", "out.model", 3, &["absent.pt"]),
        ("good.safetensors", "nowhere/out.model", 4, &["nowhere"]),
    ];
    for (checkpoint, output, code, words) in cases {
        let arguments = ["convert", checkpoint, "-o", output];
        let output = bench.command(&arguments).output().unwrap();
        let name: &[&str] = if code == 3 { &[checkpoint] } else { &[] };
        assert_failed(&output, code, &[name, words].concat());
    }
    assert_eq!(bench.files(), before);
}

#[test]
fn the_self_test_passes() {
    let bench = Bench::new();
    let said = bench.good(&["selftest", "--model", "threshold.model"]);
    assert!(said.contains("scalar: good"), "{said}");
}

/// What is written replaces an older file, also through a name without a folder.
#[test]
fn outputs_replace_older_files() {
    let bench = Bench::new();
    bench.write("m.nii", b"old");
    bench.extract(&["head.nii", "-m", "m.nii"]);
    assert!(count(&bench.values("m.nii")) > 0);
    assert!(!bench.files().iter().any(|name| name.starts_with('.')));
}
