//! A model of one's own, and several scans with one session:
//! `cargo run --release --example own_model -- MODEL SCAN...`

use std::error::Error;
use std::path::Path;

use endocast::volume::{FourD, Scan};
use endocast::{Extractor, Options, extract, model, post};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let path = arguments.next().ok_or("usage: own_model MODEL SCAN...")?;
    let options = Options {
        threads: 2,
        ..Options::default()
    };
    let mut extractor = Extractor::new(model::open(Some(Path::new(&path)), None)?, &options)?;
    println!("{}", extractor.model().name());
    for path in arguments {
        let scan = Scan::read(&path, FourD::First)?;
        let name = Path::new(&path).display();
        match extractor.extract(&scan, false) {
            Ok(found) => {
                let voxels = found.mask.iter().filter(|&&voxel| voxel != 0).count();
                println!("{name}: {voxels} voxels in {:.2?}", found.network);
            }
            Err(extract::Error::Post(post::Error::EmptyMask)) => println!("{name}: no brain"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
