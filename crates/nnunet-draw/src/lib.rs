//! Pictures for people, as PNG files.
//!
//! * [`overlay::draw`] shows a case: a slice of the image, the reference and the prediction over it;
//! * [`draw_grid`] puts any slices into a table;
//! * [`Chart`] draws curves: the progress of a training.
//!
//! Everything is drawn by code of this crate into a [`Picture`]: no fonts or displays are needed.
#![forbid(unsafe_code)]

mod chart;
mod error;
mod font;
mod grid;
pub mod overlay;
mod palette;
mod picture;

pub use chart::{Axis, Chart, Panel, Series, Stroke};
pub use error::DrawError;
pub use grid::{GridCell, draw_grid};
pub use palette::colour;
pub use picture::{Colour, Picture};
