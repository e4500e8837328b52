//! Which scans to work on.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::super::Failure;

/// Every `count`-th element from `index` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1 to `count`.
    index: usize,
    count: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let numbers = text.split_once('/').map(|(a, b)| (a.parse(), b.parse()));
        match numbers {
            Some((Ok(index), Ok(count))) if (1..=count).contains(&index) => {
                Ok(Shard { index, count })
            }
            _ => Err("not of the form I/N with I from 1 to N".into()),
        }
    }
}

impl Shard {
    /// The elements that belong to this part.
    pub fn of<T>(self, all: Vec<T>) -> Vec<T> {
        let own = |index: &usize| index % self.count == self.index - 1;
        let numbered = all.into_iter().enumerate();
        numbered
            .filter(|(index, _)| own(index))
            .map(|(_, element)| element)
            .collect()
    }
}

/// The scans named one by one, then those of the list; blank lines of it and those that begin with
/// `#` do not count.
pub fn gather(named: &[PathBuf], list: Option<&Path>) -> Result<Vec<PathBuf>, Failure> {
    let mut inputs = named.to_vec();
    if let Some(list) = list {
        let mut text = Vec::new();
        let read = if list == Path::new("-") {
            std::io::stdin().read_to_end(&mut text).map(drop)
        } else {
            std::fs::read(list).map(|content| text = content)
        };
        read.map_err(|cause| Failure::input(list, format!("cannot read the list: {cause}")))?;
        let lines = text.split(|&byte| byte == b'\n');
        let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        for line in lines.filter(|line| !line.trim_ascii().is_empty() && line[0] != b'#') {
            let path = path(line).ok_or_else(|| Failure::input(list, "a name is not UTF-8"))?;
            inputs.push(path);
        }
    }
    if inputs.is_empty() {
        return Err(Failure::Usage(match list {
            Some(list) => format!("{}: the list is empty", list.display()),
            None => "no scan is named; see --help".into(),
        }));
    }
    Ok(inputs)
}

/// The path that these bytes are.
#[cfg(unix)]
fn path(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(std::ffi::OsStr::from_bytes(bytes).into())
}

/// The path that these bytes are; elsewhere names of files are not bytes.
#[cfg(not(unix))]
fn path(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_part_a_list() {
        let all: Vec<usize> = (0..10).collect();
        let shards = ["1/3", "2/3", "3/3"].map(|text| text.parse::<Shard>().unwrap());
        let [first, second, third] = shards.map(|shard| shard.of(all.clone()));
        assert_eq!(first, [0, 3, 6, 9]);
        assert_eq!(second, [1, 4, 7]);
        assert_eq!(third, [2, 5, 8]);
        for wrong in ["0/3", "4/3", "1", "1/0", "a/b", "-1/3", "1/2/3"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
