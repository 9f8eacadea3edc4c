//! How long work tells a caller where it is. Libraries never print: they report here.

use std::fmt::Debug;

/// Receives the beginnings of pieces of work. The default does nothing.
pub trait Progress: Debug + Send + Sync {
    /// A piece of work of `total` steps begins; `what` names it (`preprocess 3d_fullres`).
    fn start(&self, what: &str, total: usize) -> Box<dyn Task> {
        let _ = (what, total);
        Box::new(NoProgress)
    }

    /// Something that the user should read even if all goes well.
    fn note(&self, text: &str) {
        let _ = text;
    }

    /// Something unexpected that does not stop the work.
    fn warn(&self, text: &str) {
        let _ = text;
    }
}

/// One piece of work in progress. Dropping it ends it.
pub trait Task: Debug + Send + Sync {
    /// One more step is done; `item` says which (a case, an epoch with its loss).
    fn step(&self, item: &str) {
        let _ = item;
    }

    /// One step of this work takes `total` steps itself; `what` names it (`la_003: windows`).
    /// It is over when it is dropped, and often so short that showing it makes no sense.
    fn part(&self, what: &str, total: usize) -> Box<dyn Task> {
        let _ = (what, total);
        Box::new(NoProgress)
    }
}

/// Progress that nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {}
impl Task for NoProgress {}
