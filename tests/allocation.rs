//! A session allocates nothing once it has run, so that a long series of scans neither fragments nor
//! grows memory.
//!
//! One test only: the counters see everything that this process does.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use common::model;
use endocast::exec::Session;
use endocast::kernels::cpu::Cpu;
use endocast::plan::{Options, Plan};
use endocast::weights::Model;
use endocast_tools::synthetic;

/// The system's allocator, counting.
struct Counting;

static ALL: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static OWN: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    ALL.fetch_add(1, Relaxed);
    // A thread that is ending has no counter any more.
    let _ = OWN.try_with(|own| own.set(own.get() + 1));
}

// SAFETY: hands everything on to the system's allocator; the counters do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(block, layout, len) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SMALL: [usize; 3] = [32; 3];
/// Large enough that tensors are streamed.
const LARGE: [usize; 3] = [96, 64, 48];

/// What the thread pool may allocate for its own queues during a run.
const POOL: usize = 8;

/// Allocations of each of three runs after the first: by the thread that runs, and by all.
fn allocations(model: &Arc<Model>, grid: [usize; 3], cpu: Cpu, threads: usize) -> [[usize; 2]; 3] {
    let options = Options {
        threads,
        policy: cpu.into(),
    };
    let plan = Plan::new(model.graph(), grid, options).unwrap();
    let mut session = Session::new(model.clone(), plan).unwrap();
    let image: Vec<f32> = (0..session.image_len())
        .map(|index| synthetic::uniform("image", index) as f32)
        .collect();
    let mut result = vec![0.0; session.result_len()];
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    pool.install(|| {
        session.run(&image, &mut result).unwrap();
        [(); 3].map(|()| {
            let before = [OWN.get(), ALL.load(Relaxed)];
            session.run(&image, &mut result).unwrap();
            [OWN.get() - before[0], ALL.load(Relaxed) - before[1]]
        })
    })
}

#[test]
fn runs_after_the_first_do_not_allocate() {
    let before = [OWN.get(), ALL.load(Relaxed)];
    std::hint::black_box(Box::new(1));
    assert!(OWN.get() > before[0] && ALL.load(Relaxed) > before[1]);

    let resunet = Arc::new(model(synthetic::resunet(4, 1, 1)));
    let fcn = Arc::new(model(synthetic::fcn(4)));
    let meshnet = Arc::new(model(synthetic::meshnet(5, 5)));
    let int8 = common::int8::quantised(synthetic::resunet(4, 1, 1), 32, false, |_| true);
    let int8 = Arc::new(common::int8::written(&int8));
    let cases = [
        ("int8 resunet", &int8, SMALL),
        ("streaming int8 resunet", &int8, LARGE),
        ("resunet", &resunet, SMALL),
        ("streaming resunet", &resunet, LARGE),
        ("fcn", &fcn, SMALL),
        ("meshnet", &meshnet, SMALL),
    ];
    let mut most = 0;
    for (name, model, grid) in cases {
        for isa in Cpu::detect().isas() {
            // The poorer ones are slow.
            if grid != SMALL && Cpu::detect().isas().last() != Some(isa) {
                continue;
            }
            let cpu = Cpu::detect().capped(isa);
            for [own, _] in allocations(model, grid, cpu, 1) {
                assert_eq!(own, 0, "{name}, {isa}, one thread");
            }
            for [_, all] in allocations(model, grid, cpu, 4) {
                assert!(all <= POOL, "{name}, {isa}, four threads: {all}");
                most = most.max(all);
            }
        }
    }
    println!("at most {most} allocations a run on four threads");
}
