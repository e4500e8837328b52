//! Checkpoint conversion for endocast.
