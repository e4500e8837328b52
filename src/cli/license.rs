//! `endocast --license`.

use super::Failure;
use super::stdout::print;

const TERMS: &str = "\
endocast is licensed under the MIT licence or the Apache License 2.0, at your choice. The same holds
for the model inside it, which was trained by the same authors on synthetic and openly licensed data.
The network's architecture is BrainMaGe's; none of its weights or code is included.

";

/// Prints the licences of code and weights.
pub fn run() -> Result<(), Failure> {
    print(TERMS.as_bytes())?;
    print(include_bytes!("../../LICENSE-MIT"))?;
    print(b"\n")?;
    print(include_bytes!("../../LICENSE-APACHE"))
}
