//! NIfTI reading and writing, on files made here and on real scans.

mod any_bytes;
mod geometry;
mod other_readers;
mod reading;
mod sample;
mod writing;
mod wrong_files;
