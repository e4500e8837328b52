//! NIfTI reading, on files made here.

mod geometry;
mod reading;
mod sample;
mod wrong_files;
