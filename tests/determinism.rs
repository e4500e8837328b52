//! Results do not depend on the number of threads, on what ran before, or (for kernels that sum in the
//! direct order with fused multiply-adds) on the width of the vectors.

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use common::model;
use endocast::exec::Session;
use endocast::kernels::cpu::{Cpu, Isa};
use endocast::kernels::registry::Policy;
use endocast::plan::{Home, Options, Plan};
use endocast::volume::{FourD, Scan};
use endocast::weights::Model;
use endocast::{Extractor, extract};
use endocast_tools::synthetic;

const THREADS: [usize; 4] = [1, 2, 3, 5];
/// Depth, height, width: large enough that even five threads stream, and odd for most divisions.
const GRID: [usize; 3] = [96, 64, 48];

/// A network with every operation: skips, strides, upsampling, two outputs.
fn residual() -> Arc<Model> {
    Arc::new(model(synthetic::resunet(4, 1, 2)))
}

/// Dilated convolutions with instance normalisation.
fn dilated() -> Arc<Model> {
    Arc::new(model(synthetic::meshnet(5, 5)))
}

fn session(model: &Arc<Model>, threads: usize, policy: Policy) -> Session {
    let plan = Plan::new(model.graph(), GRID, Options { threads, policy }).unwrap();
    Session::new(model.clone(), plan).unwrap()
}

fn image(seed: &str) -> Vec<f32> {
    let voxels = GRID.iter().product();
    (0..voxels)
        .map(|index| synthetic::uniform(seed, index) as f32)
        .collect()
}

/// The bits of the result, computed in a pool of `threads`.
fn bits(session: &mut Session, threads: usize, image: &[f32]) -> Vec<u32> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    let mut result = vec![f32::NAN; session.result_len()];
    pool.install(|| session.run(image, &mut result)).unwrap();
    assert!(result.iter().all(|value| value.is_finite()));
    result.into_iter().map(f32::to_bits).collect()
}

fn assert_threads_do_not_matter(model: &Arc<Model>) {
    let image = image("image");
    for isa in Cpu::detect().isas() {
        let policy = Cpu::detect().capped(isa).into();
        let mut expected = Vec::new();
        // The portable kernels are slow.
        let counts = if isa == Isa::Scalar {
            &THREADS[1..3]
        } else {
            &THREADS[..]
        };
        for &threads in counts {
            let mut session = session(model, threads, policy);
            let plan = session.plan();
            let slabs = plan
                .stages
                .iter()
                .map(|stage| stage.group.slabs.count)
                .max();
            assert_eq!(slabs, Some(threads));
            let found = bits(&mut session, threads, &image);
            if expected.is_empty() {
                expected = found;
            } else {
                assert!(found == expected, "{isa}: {threads} threads differ");
            }
        }
    }
}

#[test]
fn the_grid_is_large_enough_to_stream() {
    for threads in THREADS {
        let session = session(&residual(), threads, Cpu::detect().into());
        let rings = session.plan().tensors.iter().filter(
            |tensor| matches!(tensor.home, Home::Ring { slots, .. } if slots < tensor.depth),
        );
        assert!(rings.count() > 2, "{threads} threads");
    }
}

#[test]
fn threads_do_not_matter_to_a_residual_network() {
    assert_threads_do_not_matter(&residual());
}

#[test]
fn threads_do_not_matter_to_a_dilated_network() {
    assert_threads_do_not_matter(&dilated());
}

/// The slabs are the plan's; who runs them is the pool's affair.
#[test]
fn the_pool_does_not_matter() {
    let image = image("image");
    let mut session = session(&residual(), 3, Cpu::detect().into());
    let expected = bits(&mut session, 3, &image);
    for threads in [1, 2, 8] {
        assert!(bits(&mut session, threads, &image) == expected);
    }
}

#[test]
fn vector_width_does_not_matter_to_direct_kernels() {
    let cpu = Cpu::detect();
    if !cpu.has(Isa::Avx512) {
        eprintln!("SKIPPED: this processor has no AVX-512");
        return;
    }
    let image = image("image");
    for model in [residual(), dilated()] {
        let [narrow, wide] = [Isa::Avx2, Isa::Avx512].map(|isa| {
            let policy = Policy {
                direct_only: true,
                ..cpu.capped(isa).into()
            };
            let mut session = session(&model, 1, policy);
            let convs = session.plan().convs.iter().flatten();
            assert!(convs.into_iter().any(|conv| conv.isa() == isa));
            bits(&mut session, 1, &image)
        });
        assert!(narrow == wide);
    }
}

/// Nothing of a run is left over in the next.
#[test]
fn runs_do_not_depend_on_those_before() {
    for model in [residual(), dilated()] {
        let mut session = session(&model, 2, Cpu::detect().into());
        let image = image("image");
        let first = bits(&mut session, 2, &image);
        let other: Vec<f32> = image.iter().map(|value| 5.0 - 3.0 * value).collect();
        assert!(bits(&mut session, 2, &other) != first);
        assert!(bits(&mut session, 2, &image) == first);
    }
}

#[test]
fn output_files_are_equal_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("head.nii");
    std::fs::write(&input, common::head([40, 44, 36]).file()).unwrap();
    let scan = Scan::read(&input, FourD::First).unwrap();
    let files = |name: &str, extraction: &extract::Extraction| {
        let paths = ["mask.nii.gz", "brain.nii.gz", "prob.nii.gz"]
            .map(|ending| folder.path().join(format!("{name}_{ending}")));
        scan.write_mask(&paths[0], &extraction.mask).unwrap();
        scan.write_brain(&paths[1], &extraction.mask).unwrap();
        let map = extraction.probabilities.as_ref().unwrap();
        scan.write_f32(&paths[2], map).unwrap();
        paths.map(|path: PathBuf| std::fs::read(path).unwrap())
    };
    let mut expected = None;
    for threads in THREADS {
        let model = Model::from_bytes(&common::threshold_model()).unwrap();
        let options = endocast::Options {
            threads,
            ..Default::default()
        };
        let mut extractor = Extractor::new(model, &options).unwrap();
        for run in 0..2 {
            let extraction = extractor.extract(&scan, true).unwrap();
            let found = files(&format!("{threads}-{run}"), &extraction);
            let expected = expected.get_or_insert_with(|| found.clone());
            assert!(found == *expected, "{threads} threads, run {run}");
        }
    }
}
