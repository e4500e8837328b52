//! Every kernel against the definition, against the kernels that should return the same bits, and
//! against the limits of its memory. Trials are made from the registry: see `docs/kernels.md`.

mod conv;
mod conv_int8;
#[cfg_attr(target_family = "wasm", path = "unguarded.rs")]
mod guarded;
mod link;
mod moments;
mod numbers;
mod output;
mod pointwise;
mod quantize;
mod second_opinion;
mod upsample;

use std::env;
use std::process::ExitCode;

use endocast_kernels::contract::PlaneShape;
use endocast_kernels::cpu::{Cpu, Isa};
use endocast_kernels::registry;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use numbers::Fill;

/// What to do with one kernel: a name within the kernel's trials, and the test.
type Test = (String, Box<dyn FnOnce() -> Result<(), String> + Send>);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let detected = Cpu::detect();
    let cpu = match env::var("ENDOCAST_CPU") {
        Ok(word) => detected.capped(word.parse().expect("ENDOCAST_CPU")),
        Err(_) => detected,
    };
    let required = env::var("KERNELS_REQUIRE").unwrap_or_default();
    let required: Vec<Isa> = (required.split(',').filter(|word| !word.is_empty()))
        .map(|word| word.parse().expect("KERNELS_REQUIRE"))
        .collect();

    let mut tests = conv::tests(cpu);
    tests.extend(conv_int8::tests(cpu));
    tests.extend(upsample::tests(cpu));
    tests.extend(pointwise::tests(cpu));
    tests.extend(moments::tests(cpu));
    tests.extend(quantize::tests(cpu));
    tests.extend(link::tests(cpu));
    tests.extend(second_opinion::tests(cpu));
    let mut trials: Vec<_> = tests
        .into_iter()
        .map(|(name, test)| Trial::test(name, || test().map_err(Failed::from)))
        .collect();
    for kernel in registry::all().filter(|kernel| !cpu.has(kernel.isa)) {
        let required = required.contains(&kernel.isa);
        let reason = match detected.has(kernel.isa) {
            true => format!("{} is above the cap", kernel.isa),
            false => format!("this processor lacks {}", kernel.isa),
        };
        trials.push(Trial::ignorable_test(kernel.name, move || match required {
            true => Err(Failed::from(reason)),
            false => Ok(Completion::ignored_with(reason)),
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Whether to run few cases, for a slow machine or an emulator.
fn quick() -> bool {
    env::var_os("KERNELS_QUICK").is_some()
}

/// Another seed gives other random values.
fn seed() -> u64 {
    env::var("KERNELS_SEED").map_or(0, |word| word.parse().expect("KERNELS_SEED"))
}

/// The cases to run: all of them with random values and integers, otherwise some with different residues modulo
/// every tile.
fn selected<T>(cases: Vec<T>, fill: Fill) -> impl Iterator<Item = T> {
    let step = match (quick(), fill) {
        (true, _) => 11,
        (false, Fill::Random | Fill::Integer) => 1,
        (false, _) => 5,
    };
    cases.into_iter().step_by(step)
}

/// The fills to run.
fn fills() -> Vec<Fill> {
    match quick() {
        true => vec![Fill::Random, Fill::Denormal, Fill::Integer],
        false => Fill::ALL.to_vec(),
    }
}

/// Says in which case of a trial something went wrong, and how to repeat it.
fn blame(what: &str, case: &impl std::fmt::Display, error: String) -> String {
    format!("{what}, {case}, KERNELS_SEED={}: {error}", seed())
}
