//! From file to file: `cargo run --release --example extract -- head.nii.gz mask.nii.gz`

use std::error::Error;

use endocast::volume::{FourD, Scan};
use endocast::{Extractor, Options, embedded_model, qc};

fn main() -> Result<(), Box<dyn Error>> {
    let mut paths = std::env::args_os().skip(1);
    let (Some(scan), Some(mask)) = (paths.next(), paths.next()) else {
        return Err("usage: extract SCAN MASK".into());
    };
    let mut extractor = Extractor::new(embedded_model()?, &Options::default())?;
    let scan = Scan::read(scan, FourD::First)?;
    let found = extractor.extract(&scan, false)?;
    scan.write_mask(mask, &found.mask)?;
    let quality = qc::inspect(&scan, &found.mask, found.certainty.as_ref())?;
    for warning in &quality.warnings {
        eprintln!("look at this mask: {warning}");
    }
    Ok(())
}
