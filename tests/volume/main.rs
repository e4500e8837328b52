//! NIfTI reading and writing, on files made here.

mod geometry;
mod reading;
mod sample;
mod writing;
mod wrong_files;
