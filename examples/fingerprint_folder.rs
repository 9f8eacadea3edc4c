//! The facts about a folder of labelled images in nnU-Net's layout, and how the paper and
//! nnU-Net v2 plan for it.
//!
//! `cargo run --release --example fingerprint_folder -- raw/Dataset004_Hippocampus`; without a
//! folder it makes a few phantoms and looks at those.
#![allow(clippy::print_stdout)] // an example shows what it found

use std::path::{Path, PathBuf};

use nnunet::fingerprint::{ExtractOptions, extract};
use nnunet::image::{FormatRegistry, RawDataset};
use nnunet::phantom::{PhantomDataset, write_dataset};
use nnunet::planner::{PlanOverrides, Planner, Rules};
use nnunet::schema::NoProgress;

fn main() -> anyhow::Result<()> {
    let formats = FormatRegistry::default();
    let temporary = tempfile::tempdir()?;
    let folder = match std::env::args_os().nth(1) {
        Some(folder) => PathBuf::from(folder),
        None => phantoms(temporary.path(), &formats)?,
    };
    let raw = RawDataset::scan(&folder)?;
    let facts = extract(&raw, &formats, &ExtractOptions::default(), &NoProgress)?;
    println!("cases: {}", facts.shapes_after_crop.len());
    for (channel, intensities) in &facts.foreground_intensity_properties_per_channel {
        println!("channel {channel}: {intensities:?}");
    }
    for rules in [Rules::paper(), Rules::v2()] {
        let (set, budget) = (rules.set, rules.reference_budget());
        let overrides = PlanOverrides::default();
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let planner = Planner::new(rules);
        let plans = planner.plan(&facts, &raw.description, &name, &budget, &overrides)?;
        for name in plans.configuration_names() {
            let configuration = plans.configuration(name)?;
            println!(
                "{set}, {name}: patch {:?}, batch {}",
                configuration.patch_size, configuration.batch_size
            );
        }
    }
    Ok(())
}

fn phantoms(folder: &Path, formats: &FormatRegistry) -> anyhow::Result<PathBuf> {
    let dataset = PhantomDataset {
        training_cases: 3,
        test_cases: 0,
        ..PhantomDataset::default()
    };
    write_dataset(folder, &dataset, formats, &NoProgress)?;
    Ok(folder.join(&dataset.name))
}
