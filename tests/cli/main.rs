//! The built command, as a user meets it: files in, files, one line and an exit code out.

mod aliases;
mod batches;
mod bench;
mod bids;
mod channels;
#[path = "../common/mod.rs"]
mod common;
mod extracting;
mod faults;
mod other_commands;
mod products;
mod refusing;
