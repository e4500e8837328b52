//! NIfTI reading and writing, on files made here and on real scans.

mod any_bytes;
mod geometry;
mod mgh;
mod other_readers;
mod reading;
mod sample;
#[path = "../shared/mod.rs"]
mod shared;
mod writing;
mod wrong_files;
