//! Integration tests of the augmentation crate, one binary.
// Helpers outside of test functions may fail and print as tests do.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod cascade;
mod crops;
mod draws;
mod effects;
mod faults;
mod goldens;
mod loading;
mod phantom;
mod reuse;
mod spatial;
mod stored;
