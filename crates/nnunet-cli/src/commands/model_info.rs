use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use nnunet::model::{ModelInfo, NetworkSpec};
use nnunet::schema::{DatasetDescription, Plans, layout};

use crate::args::ModelInfoArgs;
use crate::context::{Context, Need};
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &ModelInfoArgs) -> anyhow::Result<Outcome> {
    let (plans, description) = documents(context, args)?;
    let names = if args.configurations.is_empty() {
        let all = plans.configuration_names();
        all.into_iter().map(str::to_owned).collect()
    } else {
        args.configurations.clone()
    };
    let mut infos = Vec::new();
    for name in names {
        let spec = NetworkSpec::of_model(&plans, &name, &description)?;
        let patch = match &args.patch_size {
            Some(patch) => patch.clone(),
            None => plans.configuration(&name)?.patch_size,
        };
        let info =
            ModelInfo::new(&spec, &patch).with_context(|| format!("configuration `{name}`"))?;
        infos.push((name, info));
    }
    if args.json.json {
        let configurations: serde_json::Map<String, serde_json::Value> = (infos.into_iter())
            .map(|(name, info)| Ok((name, serde_json::to_value(info)?)))
            .collect::<Result<_, serde_json::Error>>()?;
        output::document(&serde_json::json!({ "configurations": configurations }))?;
    } else {
        for (name, info) in infos {
            output::line(format!("{name}\n{info}"));
        }
    }
    Ok(Outcome::Complete)
}

/// The plans and the description of a dataset, or of a model folder.
fn documents(
    context: &Context,
    args: &ModelInfoArgs,
) -> anyhow::Result<(Plans, DatasetDescription)> {
    match (&args.dataset, &args.model) {
        (Some(id), None) => {
            let pipeline = context.pipeline(Need::RawAndPreprocessed)?;
            let dataset = pipeline.layout.resolve(id)?;
            let plans = pipeline.plans(&dataset, &args.plans.plans)?;
            Ok((plans, pipeline.description(&dataset)?))
        }
        (None, Some(folder)) => of_folder(folder),
        _ => bail!("name a dataset, or a model folder with --model"),
    }
}

fn of_folder(folder: &Path) -> anyhow::Result<(Plans, DatasetDescription)> {
    let [plans, description]: [PathBuf; 2] =
        [layout::model_plans(folder), layout::dataset_json(folder)];
    Ok((
        Plans::load(&plans)?,
        DatasetDescription::load(&description)?,
    ))
}
