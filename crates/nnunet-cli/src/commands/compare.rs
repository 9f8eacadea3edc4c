use std::path::Path;

use nnunet::evaluate::compare::{CompareOptions, Comparison};
use nnunet::pipeline::{
    ComparisonFiles, FingerprintFile, MethodResult, compare_fingerprints, compare_results,
    save_comparison, save_fingerprints,
};
use nnunet::schema::{DatasetId, python_json};
use serde_json::json;

use crate::args::{CompareArgs, CompareFingerprintsArgs, DrawArgs};
use crate::context::{Context, Need};
use crate::{Outcome, output};

pub(crate) fn run(args: &CompareArgs) -> anyhow::Result<Outcome> {
    let results = match &args.list {
        Some(list) => MethodResult::load_list(list)?,
        None => args.methods.clone(),
    };
    let comparison = compare_results(&results, &args.draws.options())?;
    if args.json.json {
        let files = save_comparison(&comparison, &args.output)?;
        let [vectors, pixels] = &files.figures;
        output::document(&json!({
            "files": [files.document, files.tables, vectors, pixels],
            "comparison": python_json::to_standard(&comparison)?,
        }))?;
        return Ok(Outcome::Complete);
    }
    tell(&comparison, &args.output)?;
    Ok(Outcome::Complete)
}

pub(crate) fn fingerprints(
    context: &Context,
    args: &CompareFingerprintsArgs,
) -> anyhow::Result<Outcome> {
    let mut files = Vec::with_capacity(args.datasets.len());
    for text in &args.datasets {
        let path = Path::new(text);
        files.push(if path.is_file() {
            FingerprintFile::new(path)
        } else {
            let id: DatasetId = text.parse()?;
            let layout = context.pipeline(Need::Preprocessed)?.layout;
            FingerprintFile::new(&layout.fingerprint(&layout.resolve(&id)?))
        });
    }
    let comparison = compare_fingerprints(&files)?;
    let files = save_fingerprints(&comparison, &args.output)?;
    output::line(comparison.to_string().trim_end());
    list(&files);
    Ok(Outcome::Complete)
}

/// Prints the tables and writes all files.
pub(super) fn tell(comparison: &Comparison, folder: &Path) -> anyhow::Result<()> {
    let files = save_comparison(comparison, folder)?;
    output::line(comparison.to_string().trim_end());
    list(&files);
    Ok(())
}

fn list(files: &ComparisonFiles) {
    let [vectors, pixels] = &files.figures;
    for (what, path) in [
        ("comparison", &files.document),
        ("tables", &files.tables),
        ("figure", vectors),
        ("figure", pixels),
    ] {
        output::line(format!("{what}: {}", path.display()));
    }
}

impl DrawArgs {
    pub(super) const fn options(&self) -> CompareOptions {
        CompareOptions {
            draws: self.draws,
            seed: self.seed,
        }
    }
}
