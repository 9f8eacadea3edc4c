//! What crosses crates is tested in `it/`; this crate has nothing of its own.
#![forbid(unsafe_code)]
