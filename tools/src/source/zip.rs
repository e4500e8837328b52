//! The zip archives that PyTorch writes: nothing compressed, nothing encrypted, below 4 GiB.

use std::collections::HashMap;

use crate::error::Error;

const END: &[u8] = b"PK\x05\x06";
const END_LEN: usize = 22;
const CENTRAL: &[u8] = b"PK\x01\x02";
const CENTRAL_LEN: usize = 46;
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_LEN: usize = 30;
/// Longest comment that may follow the end record.
const MAX_COMMENT: usize = 0xffff;

/// The contents of the archive's files, by name.
pub fn read(archive: &[u8]) -> Result<HashMap<&str, &[u8]>, Error> {
    let tail = archive.len().saturating_sub(END_LEN + MAX_COMMENT);
    let end = (tail..=archive.len().saturating_sub(END_LEN))
        .rev()
        .find(|&at| archive[at..].starts_with(END))
        .ok_or(Error::Zip("there is no end record"))?;
    let end = slice(archive, end, END_LEN)?;
    let count = u16_at(end, 10);
    let mut at = u32_at(end, 16);
    let mut files = HashMap::new();
    for _ in 0..count {
        let entry = slice(archive, at, CENTRAL_LEN)?;
        if !entry.starts_with(CENTRAL) {
            return Err(Error::Zip("an entry of the directory is malformed"));
        }
        let name = slice(archive, at + CENTRAL_LEN, u16_at(entry, 28))?;
        let name = std::str::from_utf8(name).map_err(|_| Error::Zip("a name is not UTF-8"))?;
        if files.insert(name, contents(archive, entry)?).is_some() {
            return Err(Error::Zip("a name is given twice"));
        }
        at += CENTRAL_LEN + u16_at(entry, 28) + u16_at(entry, 30) + u16_at(entry, 32);
    }
    Ok(files)
}

/// The bytes of the file that a directory entry describes.
fn contents<'a>(archive: &'a [u8], entry: &[u8]) -> Result<&'a [u8], Error> {
    let (encrypted, method) = (u16_at(entry, 8) & 1 == 1, u16_at(entry, 10));
    let (stored, len) = (u32_at(entry, 20), u32_at(entry, 24));
    if encrypted || method != 0 || stored != len {
        return Err(Error::Zip("a file is compressed or encrypted"));
    }
    let at = u32_at(entry, 42);
    let local = slice(archive, at, LOCAL_LEN)?;
    if !local.starts_with(LOCAL) {
        return Err(Error::Zip("a file does not start where the directory says"));
    }
    slice(
        archive,
        at + LOCAL_LEN + u16_at(local, 26) + u16_at(local, 28),
        len,
    )
}

fn slice(archive: &[u8], start: usize, len: usize) -> Result<&[u8], Error> {
    archive
        .get(start..)
        .and_then(|rest| rest.get(..len))
        .ok_or(Error::Zip("it is cut off"))
}

fn u16_at(record: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([record[at], record[at + 1]]))
}

fn u32_at(record: &[u8], at: usize) -> usize {
    u16_at(record, at) | u16_at(record, at + 2) << 16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of stored files.
    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (name, contents) in files {
            let at = bytes.len() as u32;
            let mut fields = vec![0; 14];
            fields.extend_from_slice(&(contents.len() as u32).to_le_bytes());
            fields.extend_from_slice(&(contents.len() as u32).to_le_bytes());
            fields.extend_from_slice(&(name.len() as u16).to_le_bytes());
            fields.extend_from_slice(&[0; 2]);
            bytes.extend_from_slice(LOCAL);
            bytes.extend_from_slice(&fields);
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(contents);
            directory.extend_from_slice(CENTRAL);
            directory.extend_from_slice(&[0; 2]);
            directory.extend_from_slice(&fields);
            directory.extend_from_slice(&[0; 10]);
            directory.extend_from_slice(&at.to_le_bytes());
            directory.extend_from_slice(name.as_bytes());
        }
        let start = bytes.len() as u32;
        bytes.extend_from_slice(&directory);
        bytes.extend_from_slice(END);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&(files.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&(files.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&(directory.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&start.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes
    }

    #[test]
    fn stored_files_are_found() {
        let bytes = archive(&[("a", b"one"), ("b/c", b"")]);
        let files = read(&bytes).unwrap();
        assert_eq!(files.len(), 2);
        assert_eq!(files["a"], b"one");
        assert_eq!(files["b/c"], b"");
    }

    #[test]
    fn malformed_archives_are_refused() {
        let cause = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        assert!(cause(b"").contains("no end record"));
        assert!(cause(&archive(&[("a", b""), ("a", b"")])).contains("twice"));
        let mut bytes = archive(&[("a", b"one")]);
        assert!(cause(&bytes[..bytes.len() - 1]).contains("no end record"));
        bytes[0] = 0;
        assert!(cause(&bytes).contains("does not start"));
        let directory = LOCAL_LEN + 4;
        let mut bytes = archive(&[("a", b"one")]);
        bytes[directory + 10] = 8;
        assert!(cause(&bytes).contains("compressed"));
        let mut bytes = archive(&[("a", b"one")]);
        bytes[directory + 42] = 0xff;
        assert!(cause(&bytes).contains("cut off"));
        let mut bytes = archive(&[("a", b"one")]);
        bytes[directory] = 0;
        assert!(cause(&bytes).contains("malformed"));
    }
}
