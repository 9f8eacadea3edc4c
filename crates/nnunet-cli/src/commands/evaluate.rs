use nnunet::evaluate::surface::{SurfaceOptions, evaluate_surfaces};
use nnunet::evaluate::{
    CasePair, CaseTable, Classes, EvaluateOptions, MissingPredictions, measure_pairs, write_csv,
};
use nnunet::image::FormatRegistry;
use nnunet::schema::{DatasetDescription, layout};
use serde_json::{Map, Value, json};

use super::tables;
use crate::args::{EvaluateArgs, Missing};
use crate::context::Context;
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &EvaluateArgs) -> anyhow::Result<Outcome> {
    let progress = context.progress.as_ref();
    let formats = FormatRegistry::default();
    let description = DatasetDescription::load(&args.dataset_json)?;
    let classes = Classes::of(&description)?;
    let options = EvaluateOptions {
        missing_predictions: match args.missing {
            Missing::Refuse => MissingPredictions::Refuse,
            Missing::Ignore => MissingPredictions::Ignore,
        },
    };
    let ending = &description.file_ending;
    let pairs = CasePair::find(&args.references, &args.predictions, ending, &options)?;
    let measured = measure_pairs(&pairs, &classes, &formats, progress)?;
    let summary = &measured.summary;
    let path = (args.output.clone()).unwrap_or_else(|| layout::summary(&args.predictions));
    summary.save(&path)?;

    let mut written = vec![("summary", path.clone())];
    let mut surfaces = None;
    if args.surface {
        let options = SurfaceOptions {
            tolerance_mm: args.tolerance,
            ..SurfaceOptions::default()
        };
        let found = evaluate_surfaces(&pairs, &classes, &options, &formats, progress)?;
        let path = path.with_file_name("surfaces.json");
        found.save(&path)?;
        written.push(("surfaces", path));
        surfaces = Some(found);
    }
    if let Some(path) = &args.csv {
        let table = CaseTable {
            summary,
            voxel_mm3: Some(&measured.voxel_mm3),
            surfaces: surfaces.as_ref(),
        };
        write_csv(path, &table)?;
        written.push(("cases", path.clone()));
    }
    if args.json.json {
        let files: Map<String, Value> = (written.into_iter())
            .map(|(what, path)| (what.to_owned(), json!(path)))
            .collect();
        output::document(&json!({
            "files": files,
            "cases": summary.metric_per_case.len(),
            "foreground_mean": summary.foreground_mean,
            "mean": summary.mean,
            "surfaces": surfaces.map(|found| json!({
                "tolerance_mm": found.tolerance_mm,
                "mean": found.mean,
            })),
        }))?;
        return Ok(Outcome::Complete);
    }
    output::line(tables::metrics_table(
        &description,
        summary,
        surfaces.as_ref(),
    )?);
    for (what, path) in written {
        output::line(format!("{what}: {}", path.display()));
    }
    Ok(Outcome::Complete)
}
