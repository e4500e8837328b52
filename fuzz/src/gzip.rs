//! Compressed scans, held against the same scans decompressed.

use std::io::Read;

use endocast::volume::{FourD, Scan};
use flate2::bufread::MultiGzDecoder;

/// What is compared: more is read by the scan reader only.
const MAX_COMPARED: u64 = 1 << 20;

/// Reads `data` as a gzip stream, with the two bytes that mark one in front.
pub fn run(data: &[u8]) {
    let mut file = vec![0x1f, 0x8b];
    file.extend_from_slice(data);
    let read = |bytes: &[u8]| Scan::from_bytes(bytes, "scan.nii.gz", FourD::First).ok();
    let packed = read(&file);
    let mut plain = Vec::new();
    let whole = MultiGzDecoder::new(&file[..])
        .take(MAX_COMPARED)
        .read_to_end(&mut plain)
        .is_ok_and(|len| (len as u64) < MAX_COMPARED);
    if plain.len() as u64 == MAX_COMPARED || plain.starts_with(&[0x1f, 0x8b]) {
        return;
    }
    let unpacked = read(&plain);
    if let Some(packed) = &packed {
        let unpacked = unpacked
            .as_ref()
            .expect("what is read compressed is read plain");
        assert_eq!(packed.geometry(), unpacked.geometry());
        let bits = |scan: &Scan| scan.to_array_f64().0.mapv(f64::to_bits);
        assert_eq!(bits(packed), bits(unpacked));
    } else {
        assert!(!whole || unpacked.is_none(), "a whole stream is read");
    }
}
