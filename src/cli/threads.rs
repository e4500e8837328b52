//! How many threads a command may use.

use std::fmt::Display;

use endocast::processors;

use super::Failure;

/// `--threads`, shared by the commands that compute.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct Threads {
    /// Threads; by default one for each core that this process may use
    #[arg(id = "threads", short = 't', long = "threads", value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub requested: Option<u16>,
}

impl Threads {
    /// The threads asked for, or as many as there are cores that this process may use.
    pub fn count(self) -> usize {
        self.requested.map_or_else(processors::usable, usize::from)
    }
}

/// Lets everything use at most `threads` threads, of which this one is the first: most memory is then taken
/// and given back by one thread, and the allocator need not keep some for each.
pub fn limit(threads: usize) -> Result<(), Failure> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.use_current_thread().build_global().map_err(no_threads)
}

/// That threads cannot be started.
pub fn no_threads(cause: impl Display) -> Failure {
    Failure::Model(format!("cannot start threads: {cause}"))
}
