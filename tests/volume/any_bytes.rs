//! No bytes make reading panic or ask for much memory.

use endocast::volume::{FourD, Scan, Version};
use proptest::prelude::*;

use crate::sample::{COUNT, Nifti, TYPES, gzip, ramp};

mod allocation {
    //! Remembers the largest single request for memory on each thread.

    use std::alloc::{GlobalAlloc, Layout, System};
    use std::cell::Cell;

    thread_local! {
        static LARGEST: Cell<usize> = const { Cell::new(0) };
    }

    struct Watching;

    #[global_allocator]
    static ALLOCATOR: Watching = Watching;

    fn note(size: usize) {
        LARGEST.with(|largest| largest.set(largest.get().max(size)));
    }

    // SAFETY: every call is passed on unchanged to the system's allocator.
    unsafe impl GlobalAlloc for Watching {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            note(layout.size());
            // SAFETY: the caller keeps the contract of `alloc`.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
            // SAFETY: the caller keeps the contract of `dealloc`.
            unsafe { System.dealloc(pointer, layout) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            note(layout.size());
            // SAFETY: the caller keeps the contract of `alloc_zeroed`.
            unsafe { System.alloc_zeroed(layout) }
        }

        unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            note(size);
            // SAFETY: the caller keeps the contract of `realloc`.
            unsafe { System.realloc(pointer, layout, size) }
        }
    }

    /// The largest request made by `body` on this thread, in bytes.
    pub fn largest_during(body: impl FnOnce()) -> usize {
        LARGEST.set(0);
        body();
        LARGEST.get()
    }
}

/// What reading a file of a few hundred bytes may ask for at once: the first piece of voxels and a
/// little. A file that is larger than that gets its size, or twice what has been decompressed.
const SMALL: usize = (1 << 20) + (1 << 17);

pub fn read_anything(bytes: &[u8], four_d: FourD) {
    let largest = allocation::largest_during(|| {
        if let Ok(scan) = Scan::from_bytes(bytes, "mutated", four_d) {
            let [x, y, z] = scan.geometry().shape;
            assert_eq!(scan.voxels().len(), x * y * z);
            assert!(
                scan.geometry()
                    .inverse()
                    .iter()
                    .flatten()
                    .all(|value| value.is_finite())
            );
            assert_eq!(scan.geometry().orientation().len(), 3);
            scan.to_array();
        }
    });
    assert!(largest <= SMALL, "{largest} bytes at once");
}

fn any_four_d() -> impl Strategy<Value = FourD> {
    prop_oneof![
        Just(FourD::First),
        Just(FourD::Mean),
        any::<usize>().prop_map(FourD::Volume),
        (0..3usize).prop_map(FourD::Volume),
    ]
}

/// A valid file of any version, byte order and type.
fn any_valid() -> impl Strategy<Value = Nifti> {
    (any::<bool>(), any::<bool>(), 0..TYPES.len(), 1..3i64).prop_map(
        |(two, big_endian, datatype, volumes)| {
            let version = if two { Version::Two } else { Version::One };
            let (_, code, size) = TYPES[datatype];
            Nifti {
                dim: [4, 3, 4, 5, volumes, 1, 1, 1],
                voxels: ramp(COUNT * volumes as usize),
                ..Nifti::new(version, big_endian).typed(code, size)
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn mutated_headers_never_panic_or_ask_for_much(
        nifti in any_valid(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        packed in any::<bool>(),
        four_d in any_four_d(),
    ) {
        let mut bytes = nifti.bytes();
        for (at, value) in changes {
            bytes[at.index(nifti.header_len() + 4)] = value;
        }
        read_anything(&if packed { gzip(&bytes) } else { bytes }, four_d);
    }

    #[test]
    fn mutated_gzip_never_panics_or_asks_for_much(
        nifti in any_valid(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        four_d in any_four_d(),
    ) {
        let mut bytes = gzip(&nifti.bytes());
        for (at, value) in changes {
            *at.get_mut(&mut bytes) = value;
        }
        read_anything(&bytes, four_d);
    }

    #[test]
    fn random_numbers_in_a_header_never_panic(
        nifti in any_valid(),
        dim in any::<[i64; 8]>(),
        small_dim in prop::array::uniform8(-1..7i64),
        wild in any::<bool>(),
        pixdim in any::<[f64; 8]>(),
        sform in any::<[[f64; 4]; 3]>(),
        quaternion in any::<[f64; 3]>(),
        codes in (0..3i16, 0..2i16),
        scaling in any::<[f64; 2]>(),
        vox_offset in prop::option::of(any::<f64>()),
    ) {
        let nifti = Nifti {
            dim: if wild { dim } else { small_dim },
            pixdim,
            sform,
            quaternion,
            qform_code: codes.0,
            sform_code: codes.1,
            slope: scaling[0],
            intercept: scaling[1],
            vox_offset,
            ..nifti
        };
        read_anything(&nifti.bytes(), FourD::First);
    }
}
