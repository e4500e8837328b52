//! `endocast --license`.

use super::Failure;
use super::stdout::print;

const TERMS: &str = "\
endocast is licensed under the MIT licence or the Apache License 2.0, at your choice. The same holds
for the model inside it, which was trained by the same authors on synthetic and openly licensed data.
The network's architecture is BrainMaGe's; none of its weights or code is included.

";

const DATA: &str = "
# Training data

The model learnt from these data and contains none of them. Label maps became synthetic images; scans
were deformed, resampled and altered in intensity.

";

const MODEL_CARD: &str = include_str!("../../weights/MODEL_CARD.md");

/// Prints the licences of code, weights, training data and the crates inside.
pub fn run() -> Result<(), Failure> {
    print(TERMS.as_bytes())?;
    print(include_bytes!("../../LICENSE-MIT"))?;
    print(b"\n")?;
    print(include_bytes!("../../LICENSE-APACHE"))?;
    print(DATA.as_bytes())?;
    print(training_data().as_bytes())?;
    print(b"\n")?;
    print(include_bytes!("../../THIRD-PARTY.md"))
}

/// The model card's section about them.
fn training_data() -> &'static str {
    let (_, rest) = MODEL_CARD
        .split_once("\n## Training data\n\n")
        .unwrap_or_default();
    rest.split("\n## ").next().unwrap_or_default()
}
