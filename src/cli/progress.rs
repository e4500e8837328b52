//! What is going on, on the last line of a terminal.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Characters of the bar.
const BAR: usize = 24;

/// A line that says what happens now; for several scans also how many are done and the time left. Threads
/// share it.
pub struct Progress {
    shown: bool,
    total: usize,
    start: Instant,
    count: Mutex<Count>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    done: usize,
    /// Scans that took time.
    timed: usize,
}

impl Progress {
    /// For `total` scans; shown on a terminal only, and not if `quiet`.
    pub fn new(total: usize, quiet: bool) -> Progress {
        Progress {
            shown: !quiet && std::io::stderr().is_terminal(),
            total,
            start: Instant::now(),
            count: Mutex::default(),
        }
    }

    /// Whether there is a line at all.
    pub fn is_shown(&self) -> bool {
        self.shown
    }

    /// Says what happens now.
    pub fn stage(&self, scan: &str, name: &str) {
        if self.shown {
            let count = self.lock();
            match self.total {
                1 => err!("\r\x1b[K{name} …"),
                _ => err!("\r\x1b[K{} {scan}: {name} …", self.bar(*count)),
            }
            let _ = std::io::stderr().flush();
        }
    }

    /// Empties the line and lets `print` write in its place, undisturbed by other threads.
    pub fn interrupt<T>(&self, print: impl FnOnce() -> T) -> T {
        let _count = self.lock();
        if self.shown {
            err!("\r\x1b[K");
        }
        print()
    }

    /// One more scan is done; `worked` if it took time.
    pub fn next(&self, worked: bool) {
        let mut count = self.lock();
        count.done += 1;
        count.timed += usize::from(worked);
    }

    fn lock(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bar(&self, Count { done, timed }: Count) -> String {
        let filled = BAR * done / self.total.max(1);
        let bar: String = (0..BAR)
            .map(|at| if at < filled { '#' } else { '.' })
            .collect();
        let left = match timed {
            0 => String::new(),
            timed => {
                let each = self.start.elapsed() / timed as u32;
                format!(", {} left", duration(each * (self.total - done) as u32))
            }
        };
        format!("[{bar}] {done}/{}{left}", self.total)
    }
}

/// A time as one reads it: `42 s`, `3 min`, `2 h 05 min`.
fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..90 => format!("{seconds} s"),
        90..5400 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bar_and_time_left() {
        let mut progress = Progress::new(4, true);
        let bar = |progress: &Progress| progress.bar(*progress.lock());
        assert_eq!(bar(&progress), format!("[{}] 0/4", ".".repeat(24)));
        progress.next(false);
        assert_eq!(bar(&progress), format!("[######{}] 1/4", ".".repeat(18)));
        progress.next(true);
        progress.start -= Duration::from_secs(10);
        let line = bar(&progress);
        assert!(line.ends_with("2/4, 20 s left"), "{line}");
        let times = [89, 150, 7500].map(|seconds| duration(Duration::from_secs(seconds)));
        assert_eq!(times, ["89 s", "3 min", "2 h 05 min"]);
    }
}
