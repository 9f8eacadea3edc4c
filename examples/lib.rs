//! The examples lie beside this file; `cargo run --release --example NAME` runs one.
#![forbid(unsafe_code)]
