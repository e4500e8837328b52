pub mod contract;
pub mod cpu;
