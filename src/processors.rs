//! How many processors there are to work on.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Physical cores that this process may use, within its share of a control group: the kernels keep the
/// arithmetic units of a core busy, so that a second thread on it gains nothing and takes memory. Where the
/// system doesn't tell cores from threads (it does on Linux), all processors that the process may use.
pub fn usable() -> usize {
    let allowed = std::thread::available_parallelism().map_or(1, usize::from);
    cores(Path::new("/")).map_or(allowed, |cores| cores.min(allowed))
}

/// Cores of the processors that Linux, whose files are below `root`, lets this process run on.
fn cores(root: &Path) -> Option<usize> {
    let status = fs::read_to_string(root.join("proc/self/status")).ok()?;
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let siblings = numbers(list.trim())?.into_iter().map(|cpu| {
        let path = format!("sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        fs::read_to_string(root.join(path)).ok()
    });
    let cores: BTreeSet<String> = siblings.collect::<Option<_>>()?;
    Some(cores.len()).filter(|&count| count > 0)
}

/// The numbers of a list such as `0-2,7`.
fn numbers(list: &str) -> Option<Vec<usize>> {
    let ranges = list.split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    let ranges: Vec<_> = ranges.collect::<Option<_>>()?;
    Some(ranges.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_a_core_count_once() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(cores(root.path()), None);
        for cpu in 0..8 {
            let siblings = format!("{},{}\n", cpu % 4, cpu % 4 + 4);
            let path = format!("sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
            write(&path, &siblings);
        }
        for (list, expected) in [
            ("0-7", Some(4)),
            ("0-3", Some(4)),
            ("1,5", Some(1)),
            ("0-1,4-6", Some(3)),
            ("0-9", None),
            ("", None),
            ("a-b", None),
        ] {
            let status = format!("Name:\tendocast\nCpus_allowed_list:\t{list}\nThreads:\t1\n");
            write("proc/self/status", &status);
            assert_eq!(cores(root.path()), expected, "{list}");
        }
    }

    #[test]
    fn there_is_at_least_one() {
        assert!(usable() >= 1);
    }
}
