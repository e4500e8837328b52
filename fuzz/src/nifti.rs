//! Scans: NIfTI-1, NIfTI-2 and MGH, plain or compressed.

use endocast::volume::{FourD, Scan};

/// Reads `data` as a file, in every way a series can be read.
pub fn run(data: &[u8]) {
    for four_d in [FourD::First, FourD::Volume(1), FourD::Mean] {
        let Ok(scan) = Scan::from_bytes(data, "scan.nii", four_d) else {
            continue;
        };
        let geometry = scan.geometry();
        assert_eq!(
            scan.voxels().len(),
            geometry.shape.iter().product::<usize>()
        );
        let inverse = geometry.inverse();
        assert!(inverse.iter().flatten().all(|value| value.is_finite()));
        let (array, _) = scan.to_array();
        assert!(array.iter().all(|value| value.is_finite()));
    }
}
