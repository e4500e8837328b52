//! Brain extraction from head MRI on plain CPUs.
