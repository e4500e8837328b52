//! `endocast validate`: the statistics against SciPy, the list, and a study of phantoms whose figures are
//! known.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use common::{head, threshold_model};
use endocast::validate::list::{self, Reference};
use endocast::validate::wilcoxon;
use tempfile::TempDir;

const SHAPE: [usize; 3] = [40, 44, 36];

#[test]
fn wilcoxon_agrees_with_scipy() {
    let cases = include_str!("data/wilcoxon.txt").lines();
    for (line, case) in cases.enumerate() {
        let fields: Vec<&str> = case.split(' ').collect();
        let [statistic, p] = [0, 1].map(|n| fields[n].parse::<f64>().unwrap());
        let differences: Vec<f64> = fields[3..]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let found = wilcoxon(&differences).unwrap();
        assert_eq!(found.statistic, statistic, "{line}");
        assert_eq!(found.exact, fields[2] == "exact", "{line}");
        assert!((found.p - p).abs() <= 1e-9 * p, "{line}: {} {p}", found.p);
        let zeros = differences.iter().filter(|&&d| d == 0.0).count();
        assert_eq!(found.pairs, differences.len() - zeros, "{line}");
    }
}

#[test]
fn wilcoxon_needs_differences() {
    assert_eq!(wilcoxon(&[]), None);
    assert_eq!(wilcoxon(&[0.0, 0.0]), None);
    assert_eq!(wilcoxon(&[1.0, f64::NAN]), None);
}

/// A folder of phantoms: `a` with a perfect mask, `b` with one of a full scan, `c` that is no scan.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.write("threshold.model", &threshold_model());
        let head = head(SHAPE).file();
        for name in ["a.nii", "b.nii"] {
            folder.write(name, &head);
        }
        folder.write("c.nii", b"not a scan");
        for (mask, output) in [("a_mask.nii", &[][..]), ("tissue.nii", &["--no-csf"])] {
            let arguments = [
                "extract",
                "a.nii",
                "--model",
                "threshold.model",
                "--qc-exit",
                "0",
                "-m",
                mask,
            ];
            let done = folder.command(&[&arguments, output].concat());
            assert!(done.status.success(), "{done:?}");
        }
        let full = {
            let mut file = head.clone();
            file[352..].fill(1);
            file
        };
        folder.write("b_mask.nii", &full);
        folder
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.path().join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_endocast"));
        command.args(arguments).current_dir(self.0.path());
        command.env_remove("ENDOCAST_CPU").output().unwrap()
    }

    /// Runs `validate` on two threads.
    fn validate(&self, arguments: &[&str]) -> Output {
        let all = ["validate", "-o", "out", "-t", "2"];
        self.command(&[&all, arguments].concat())
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.read("out/study.json")).unwrap()
    }
}

const LIST: &str = "scan\tmask\treference\tcontrast\tsite\tage\n\
    # a comment, and an empty line\n\n\
    a.nii\ta_mask.nii\tfull\tT1\there\t40\n\
    b.nii\tb_mask.nii\t\tT2, fat\there\t50\n\
    c.nii\tb_mask.nii\tfull\tT1\tthere\t60\n";

#[test]
fn a_study_of_phantoms() {
    let folder = Folder::new();
    folder.write("list.tsv", LIST.as_bytes());
    fs::create_dir(folder.0.path().join("other")).unwrap();
    fs::copy(
        folder.0.path().join("tissue.nii"),
        folder.0.path().join("other/a.nii"),
    )
    .unwrap();
    let arguments = [
        "list.tsv",
        "--model",
        "threshold.model",
        "--also",
        "other=other",
        "--repeats",
        "1",
    ];
    let done = folder.validate(&arguments);
    assert_eq!(done.status.code(), Some(12), "{done:?}");
    let printed = String::from_utf8(done.stdout).unwrap();
    assert_eq!(printed.lines().count(), 3, "{printed}");
    let errors = String::from_utf8(done.stderr).unwrap();
    assert_eq!(
        errors,
        "endocast: 3 masks could not be made or read; out/scans.csv says why\n"
    );

    let study = folder.json();
    let row = |scan: usize, column: usize| &study["scans"][scan]["masks"][column];
    // A mask against itself.
    let perfect = row(0, 0);
    assert_eq!(perfect["masks"], "threshold");
    for (figure, value) in [
        ("dice", 1.0),
        ("hd95_mm", 0.0),
        ("sensitivity", 1.0),
        ("specificity", 1.0),
        ("volume_error", 0.0),
    ] {
        assert_eq!(perfect[figure], value, "{figure}");
    }
    assert!(perfect["seconds"].as_f64().unwrap() > 0.0);
    // Against the whole volume: 2 v / (v + V), and nothing outside.
    let volume = perfect["volume_ml"].as_f64().unwrap();
    let whole = 40.0 * 44.0 * 36.0 * 3.0 * 2.5 * 3.0 / 1000.0;
    let near = |found: &serde_json::Value, expected: f64| {
        assert!(
            (found.as_f64().unwrap() - expected).abs() < 1e-6 * expected.abs(),
            "{found} {expected}"
        );
    };
    near(&row(1, 0)["dice"], 2.0 * volume / (volume + whole));
    near(&row(1, 0)["volume_error"], volume / whole - 1.0);
    assert!(row(1, 0)["specificity"].is_null());
    // The smaller tissue mask of the other engine.
    let inside = row(0, 1);
    let tissue = inside["volume_ml"].as_f64().unwrap();
    assert!(tissue < volume);
    near(&inside["sensitivity"], tissue / volume);
    assert!(inside["seconds"].is_null());
    // Failures are rows.
    assert!(row(2, 0)["failure"].as_str().unwrap().contains("c.nii"));
    assert!(
        row(1, 1)["failure"]
            .as_str()
            .unwrap()
            .contains("no mask for b")
    );

    let all = &study["groups"][0];
    assert_eq!((&all["scans"], &all["failures"]), (&3.into(), &1.into()));
    assert_eq!(all["figures"]["dice"]["worst_scan"], "b");
    let groups: Vec<_> = study["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["group"].as_str().unwrap())
        .collect();
    assert_eq!(
        groups,
        [
            "all", "all", "full", "full", "T1", "T1", "T2, fat", "T2, fat", "here", "here",
            "there", "there"
        ]
    );
    let speed = &study["columns"][0]["speed"];
    let threads: Vec<_> = speed["threads_seconds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| pair[0].as_f64().unwrap())
        .collect();
    assert_eq!(threads, [1.0, 2.0]);
    assert!(speed["streams_scans_per_minute"][1][1].as_f64().unwrap() > 0.0);
    // The one scan that both have, and the smallest p that it allows.
    assert_eq!(study["wilcoxon"][0]["pairs"], 1.0);
    assert_eq!(study["wilcoxon"][0]["p"], 1.0);

    let scans = folder.read("out/scans.csv");
    assert_eq!(scans.lines().count(), 1 + 3 * 2);
    assert!(
        scans.contains("\nb,full,\"T2, fat\",here,threshold,0."),
        "{scans}"
    );
    assert!(
        folder
            .read("out/summary.csv")
            .contains("\nall,all,threshold,dice,3,1,2,0.")
    );
    let page = folder.read("out/study.html");
    assert_eq!(page.matches("data:image/png;base64,").count(), 2);
    assert_eq!(page.matches("<svg").count(), 6 + 2 + 2);
    assert!(
        !page.contains("http"),
        "the page needs nothing from outside"
    );
}

#[test]
fn a_folder_is_a_list() {
    let folder = Folder::new();
    let done = folder.validate(&[
        ".",
        "--model",
        "threshold.model",
        "--repeats",
        "0",
        "--no-pictures",
    ]);
    assert!(done.status.success(), "{done:?}");
    let study = folder.json();
    let names: Vec<_> = study["scans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|scan| scan["scan"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert!(study["columns"][0]["speed"].is_null());
    let page = folder.read("out/study.html");
    assert!(!page.contains("<img") && !page.contains("Speed and size"));
}

#[test]
fn a_tight_reference_is_scored_on_the_tissue() {
    let folder = Folder::new();
    folder.write(
        "list.tsv",
        b"name\tscan\tmask\treference\nx\ta.nii\ttissue.nii\ttight\n",
    );
    let done = folder.validate(&["list.tsv", "--model", "threshold.model", "--repeats", "0"]);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(folder.json()["scans"][0]["masks"][0]["dice"], 1.0);
}

#[test]
fn wrong_lists_are_refused() {
    let folder = Folder::new();
    for (list, words) in [
        ("", "no scan with a reference mask"),
        ("scan\treference\na.nii\tfull\n", "list.tsv:1: no mask"),
        ("scan\tmask\n\ta_mask.nii\n", "list.tsv:2: no scan"),
        (
            "scan\tmask\treference\na.nii\ta_mask.nii\tloose\n",
            "list.tsv:2: reference is 'loose'",
        ),
        (
            "scan\tmask\na.nii\tb\na.nii\tb\n",
            "list.tsv:3: a second scan named 'a'",
        ),
    ] {
        folder.write("list.tsv", list.as_bytes());
        let done = folder.validate(&["list.tsv"]);
        let errors = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(3), "{errors}");
        assert!(errors.contains(words), "no '{words}' in {errors}");
        assert_eq!(errors.lines().count(), 1);
    }
    let missing = folder.validate(&["nowhere.tsv"]);
    assert_eq!(missing.status.code(), Some(3));
    folder.write("file", b"");
    let output = folder.command(&["validate", ".", "-o", "file"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(!folder.0.path().join("out").exists());
}

#[test]
fn a_list_gives_names_and_kinds() {
    let folder = Folder::new();
    folder.write("list.tsv", LIST.as_bytes());
    let cases = list::read(&folder.0.path().join("list.tsv")).unwrap();
    assert_eq!(cases[1].name, "b");
    assert_eq!(cases[1].reference, Reference::Full);
    assert_eq!(
        (cases[1].contrast.as_str(), cases[2].site.as_str()),
        ("T2, fat", "there")
    );
    assert!(cases[0].scan.starts_with(folder.0.path() as &Path));
}
