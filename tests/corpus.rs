//! The files that fuzzing kept, through the functions that it calls: no panic, and no more memory or
//! time than stated.

#[path = "../fuzz/src/checkpoint.rs"]
mod checkpoint;
#[path = "../fuzz/src/gzip.rs"]
mod gzip;
#[path = "../fuzz/src/model.rs"]
mod model;
#[path = "../fuzz/src/nifti.rs"]
mod nifti;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Most memory and time of one file, as in `fuzz/run.sh`.
const MAX_BYTES: usize = 256 << 20;
const MAX_TIME: Duration = Duration::from_secs(30);

/// The system's allocator, counting what is in use.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grow(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(live, Relaxed);
}

// SAFETY: hands everything on to the system's allocator; the counters do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Only one target at a time: the counters see everything that this process does.
static ONE: Mutex<()> = Mutex::new(());

fn replay(target: &str, run: fn(&[u8])) {
    let _alone = ONE.lock();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        println!("{}", path.display());
        let before = LIVE.load(Relaxed);
        PEAK.store(before, Relaxed);
        let start = Instant::now();
        run(&bytes);
        assert!(start.elapsed() < MAX_TIME, "{:?}", start.elapsed());
        let peak = PEAK.load(Relaxed).saturating_sub(before);
        assert!(peak < MAX_BYTES, "{peak} bytes");
        files += 1;
    }
    assert!(files > 10, "{files} files");
}

#[test]
fn scans() {
    replay("nifti", nifti::run);
}

#[test]
fn compressed_scans() {
    replay("gzip", gzip::run);
}

#[test]
fn checkpoints() {
    replay("checkpoint", checkpoint::run);
}

#[test]
fn models() {
    replay("model", model::run);
}
