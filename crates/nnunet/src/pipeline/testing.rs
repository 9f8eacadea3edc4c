//! What the tests of the stages begin with.

use std::path::Path;

use nnunet_phantom::{PhantomConfig, PhantomDataset, write_dataset};
use nnunet_schema::{Layout, NoProgress};

use super::Pipeline;

/// A pipeline over folders below this one, with a raw dataset of five tiny phantoms, and its name.
pub(super) fn phantoms(folder: &Path) -> (Pipeline, String) {
    let pipeline = Pipeline::new(Layout {
        raw: folder.join("raw"),
        preprocessed: folder.join("preprocessed"),
        results: folder.join("results"),
    });
    let phantoms = PhantomDataset {
        training_cases: 5,
        test_cases: 0,
        config: PhantomConfig::tiny(),
        ..PhantomDataset::default()
    };
    let raw = &pipeline.layout.raw;
    write_dataset(raw, &phantoms, &pipeline.formats, &NoProgress).unwrap();
    (pipeline, phantoms.name)
}
