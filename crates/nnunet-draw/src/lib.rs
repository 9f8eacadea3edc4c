//! Pictures for people, as PNG files.
//!
//! * [`overlay::draw`] shows a case: a slice of the image, the reference and the prediction over it;
//! * [`overlay::draw_stack`] makes layers of all its slices;
//! * [`draw_grid`] puts any slices into a table;
//! * [`Chart`] draws curves: the progress of a training;
//! * [`BubbleChart`] draws how often something had which rank: a comparison of methods;
//! * [`ParallelPlot`] draws many properties of several things: a comparison of datasets.
//!
//! Everything is drawn by code of this crate into a [`Picture`]: no fonts or displays are needed.
#![forbid(unsafe_code)]

mod bubbles;
mod chart;
mod encode;
mod error;
mod font;
mod grid;
pub mod overlay;
mod palette;
mod parallel;
mod picture;

pub use bubbles::{BubbleChart, BubbleColumn, BubblePanel};
pub use chart::{Axis, Chart, Panel, Series, Stroke};
pub use error::DrawError;
pub use grid::{GridCell, draw_grid};
pub use overlay::percentiles;
pub use palette::colour;
pub use parallel::ParallelPlot;
pub use picture::{Colour, Picture};
