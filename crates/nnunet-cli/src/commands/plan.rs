use nnunet::pipeline::PlanRequest;
use nnunet::planner::{Budget, Rules};
use nnunet::schema::plans::PlanOverrides;
use nnunet::schema::{Configuration, Plans};

use crate::args::PlanArgs;
use crate::context::{Context, Need};
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &PlanArgs) -> anyhow::Result<Outcome> {
    let pipeline = context.pipeline(Need::RawAndPreprocessed)?;
    let id = &args.dataset.dataset;
    let request = PlanRequest {
        rules: Rules::paper(),
        budget: Budget {
            gpu_memory_gb: args.gpu_memory,
        },
        overrides: PlanOverrides {
            base_features: args.base_features,
            batch_size: args.batch_size,
            patch_size: args.patch_size.clone(),
            target_spacing: None,
        },
        plans_name: args.plans.plans.clone(),
    };
    let plans = pipeline.plan(id, &request)?;
    output::line(describe(&plans)?);
    let path = (pipeline.layout).plans(&plans.dataset_name, &plans.plans_name);
    output::line(format!("plans: {}", path.display()));
    Ok(Outcome::Complete)
}

/// The decisions of a plan, a column per configuration.
pub(crate) fn describe(plans: &Plans) -> anyhow::Result<comfy_table::Table> {
    let names = plans.configuration_names();
    let mut heads = vec![""];
    heads.extend(&names);
    let mut table = output::table(&heads);
    let configurations = (names.iter())
        .map(|name| plans.configuration(name))
        .collect::<Result<Vec<_>, _>>()?;
    for (what, show) in ROWS {
        let mut row = vec![(*what).to_owned()];
        row.extend(configurations.iter().map(show));
        table.add_row(row);
    }
    Ok(table)
}

type Show = fn(&Configuration) -> String;

const ROWS: &[(&str, Show)] = &[
    ("target spacing (mm)", |c| {
        join(c.spacing.iter().map(|v| format!("{v:.4}")))
    }),
    ("median shape", |c| join(&c.median_image_size_in_voxels)),
    ("patch size", |c| join(&c.patch_size)),
    ("batch size", |c| c.batch_size.to_string()),
    ("features", |c| {
        join(&c.architecture.arch_kwargs.features_per_stage)
    }),
    ("strides", |c| {
        join(c.architecture.arch_kwargs.strides.iter().map(|s| digits(s)))
    }),
    ("kernels", |c| {
        join(
            c.architecture
                .arch_kwargs
                .kernel_sizes
                .iter()
                .map(|s| digits(s)),
        )
    }),
    ("normalisation", |c| {
        join((c.normalization_schemes.iter()).map(|s| String::from(s.clone())))
    }),
];

fn join<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<String> = values.into_iter().map(|v| v.to_string()).collect();
    texts.join(" ")
}

/// `[1, 2, 2]` as `122`, the way the paper writes strides and kernels.
fn digits(values: &[usize]) -> String {
    values.iter().map(usize::to_string).collect()
}
