//! What is going on, on the last line of a terminal.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Characters of the bar.
const BAR: usize = 24;

/// A line that says what happens now; for several scans also how many are done and the time left.
pub struct Progress {
    shown: bool,
    total: usize,
    done: usize,
    /// Scans that took time, and since when.
    timed: usize,
    start: Instant,
}

impl Progress {
    /// For `total` scans; shown on a terminal only, and not if `quiet`.
    pub fn new(total: usize, quiet: bool) -> Progress {
        Progress {
            shown: !quiet && std::io::stderr().is_terminal(),
            total,
            done: 0,
            timed: 0,
            start: Instant::now(),
        }
    }

    /// Whether there is a line at all.
    pub fn is_shown(&self) -> bool {
        self.shown
    }

    /// Says what happens now.
    pub fn stage(&self, scan: &str, name: &str) {
        if self.shown {
            match self.total {
                1 => eprint!("\r\x1b[K{name} …"),
                _ => eprint!("\r\x1b[K{} {scan}: {name} …", self.bar()),
            }
            let _ = std::io::stderr().flush();
        }
    }

    /// Empties the line, so that something else can be printed.
    pub fn clear(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }

    /// One more scan is done; `worked` if it took time.
    pub fn next(&mut self, worked: bool) {
        self.done += 1;
        self.timed += usize::from(worked);
    }

    fn bar(&self) -> String {
        let filled = BAR * self.done / self.total.max(1);
        let bar: String = (0..BAR)
            .map(|at| if at < filled { '#' } else { '.' })
            .collect();
        let left = match self.timed {
            0 => String::new(),
            timed => {
                let each = self.start.elapsed() / timed as u32;
                format!(
                    ", {} left",
                    duration(each * (self.total - self.done) as u32)
                )
            }
        };
        format!("[{bar}] {}/{}{left}", self.done, self.total)
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
        assert_eq!(progress.bar(), format!("[{}] 0/4", ".".repeat(24)));
        progress.next(false);
        assert_eq!(progress.bar(), format!("[######{}] 1/4", ".".repeat(18)));
        progress.next(true);
        progress.start -= Duration::from_secs(10);
        assert!(
            progress.bar().ends_with("2/4, 20 s left"),
            "{}",
            progress.bar()
        );
        let times = [89, 150, 7500].map(|seconds| duration(Duration::from_secs(seconds)));
        assert_eq!(times, ["89 s", "3 min", "2 h 05 min"]);
    }
}
