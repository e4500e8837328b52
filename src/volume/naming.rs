//! What the name of a NIfTI file says: single file, header or image half, compressed or not.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The part of an image a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// `.nii`: header and voxels.
    Whole,
    /// `.hdr`: the header of a pair.
    Header,
    /// `.img`: the voxels of a pair.
    Image,
}

impl Part {
    const ALL: [Part; 3] = [Part::Whole, Part::Header, Part::Image];

    /// The suffix without its dot.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Part::Whole => "nii",
            Part::Header => "hdr",
            Part::Image => "img",
        }
    }
}

/// A file name taken apart. Suffixes count in lower and in upper case.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Naming {
    stem: PathBuf,
    pub(super) part: Part,
    pub(super) gzip: bool,
    upper_case: bool,
}

impl Naming {
    /// `None` for any other suffix, or a name that is nothing but the suffix.
    pub(super) fn of(path: &Path) -> Option<Naming> {
        let gzip = has_extension(path, "gz");
        let bare = if gzip {
            path.with_extension("")
        } else {
            path.to_path_buf()
        };
        let part = Part::ALL
            .into_iter()
            .find(|part| has_extension(&bare, part.suffix()))?;
        let upper_case = bare
            .extension()?
            .as_encoded_bytes()
            .iter()
            .all(u8::is_ascii_uppercase);
        Some(Naming {
            stem: bare.with_extension(""),
            part,
            gzip,
            upper_case,
        })
    }

    /// The file that holds another part of the same image.
    pub(super) fn sibling(&self, part: Part, gzip: bool) -> PathBuf {
        let suffix = format!(".{}{}", part.suffix(), if gzip { ".gz" } else { "" });
        let mut name = self.stem.clone().into_os_string();
        name.push(if self.upper_case {
            suffix.to_ascii_uppercase()
        } else {
            suffix
        });
        name.into()
    }
}

/// The files that an image of this name lies in or may lie in: itself and, of a pair, the other half, compressed
/// or not.
pub fn files(path: impl AsRef<Path>) -> Vec<PathBuf> {
    let path = path.as_ref();
    let Some(naming) = Naming::of(path).filter(|naming| naming.part != Part::Whole) else {
        return vec![path.into()];
    };
    let halves = [Part::Header, Part::Image];
    let forms = halves
        .into_iter()
        .flat_map(|part| [naming.gzip, !naming.gzip].map(|gzip| (part, gzip)));
    forms
        .map(|(part, gzip)| naming.sibling(part, gzip))
        .collect()
}

/// The file name without the suffixes that tell its format, such as `.nii.gz` or `.mgz`.
pub fn stem(path: impl AsRef<Path>) -> OsString {
    let mut name = Path::new(path.as_ref().file_name().unwrap_or_default());
    for suffixes in [&["gz"][..], &["nii", "hdr", "img", "mgh", "mgz"]] {
        if suffixes.iter().any(|suffix| has_extension(name, suffix)) {
            name = Path::new(name.file_stem().unwrap_or_default());
        }
    }
    name.into()
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension()
        .is_some_and(|found: &OsStr| found.eq_ignore_ascii_case(extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_recognised() {
        for (name, expected) in [
            ("a.nii", Some((Part::Whole, false))),
            ("dir.img/a.b.nii.gz", Some((Part::Whole, true))),
            ("A.HDR", Some((Part::Header, false))),
            ("a.img.GZ", Some((Part::Image, true))),
            (".nii", None),
            (".nii.gz", None),
            ("a.gz", None),
            ("a.mgz", None),
            ("nii", None),
            ("", None),
        ] {
            let found = Naming::of(Path::new(name)).map(|naming| (naming.part, naming.gzip));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn stems_have_no_suffix_of_a_format() {
        for (path, expected) in [
            ("a/sub-01_T1w.v2.nii.gz", "sub-01_T1w.v2"),
            ("A.NII.GZ", "A"),
            ("a.hdr", "a"),
            ("orig.mgz", "orig"),
            ("a.png", "a.png"),
            ("-", "-"),
        ] {
            assert_eq!(stem(path), expected);
        }
    }

    #[test]
    fn files_of_a_pair_are_both_halves() {
        assert_eq!(files("a/b.nii.gz"), [Path::new("a/b.nii.gz")]);
        assert_eq!(files("b.png"), [Path::new("b.png")]);
        let expected = ["b.hdr", "b.hdr.gz", "b.img", "b.img.gz"].map(PathBuf::from);
        assert_eq!(files("b.img"), expected);
        let expected = ["b.hdr.gz", "b.hdr", "b.img.gz", "b.img"].map(PathBuf::from);
        assert_eq!(files("b.hdr.gz"), expected);
    }

    #[test]
    fn siblings_keep_folder_stem_and_case() {
        let naming = Naming::of(Path::new("dir/sub.01.hdr")).unwrap();
        assert_eq!(
            naming.sibling(Part::Image, true),
            Path::new("dir/sub.01.img.gz")
        );
        let naming = Naming::of(Path::new("X.IMG")).unwrap();
        assert_eq!(naming.sibling(Part::Header, false), Path::new("X.HDR"));
    }
}
