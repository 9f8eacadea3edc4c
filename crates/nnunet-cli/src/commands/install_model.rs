use nnunet::pipeline::{Existing, InstallRequest, Installation, SizeLimit, Verification};

use super::export_model::{list, stopped};
use super::train::stop_on_signal;
use crate::args::InstallModelArgs;
use crate::context::{Context, Need};
use crate::{Outcome, output};

pub(crate) fn run(context: &Context, args: &InstallModelArgs) -> anyhow::Result<Outcome> {
    let pipeline = context.pipeline(Need::Results)?;
    let request = InstallRequest {
        archive: args.archive.clone(),
        existing: match args.overwrite {
            true => Existing::Replace,
            false => Existing::Keep,
        },
        limit: SizeLimit(args.max_size),
    };
    let stop = stop_on_signal()?;
    match pipeline.install_model(&request, &stop) {
        Ok(installed) => tell(&installed),
        Err(error) => return stopped(error),
    }
    Ok(Outcome::Complete)
}

/// What is there now, and what to type next.
fn tell(installed: &Installation) {
    list(&installed.models);
    output::line(format!(
        "installed: {} ({} files, {})",
        installed.folder.display(),
        installed.files,
        output::bytes(installed.bytes)
    ));
    output::line(match installed.verification {
        Verification::Checksums => "checksums: all files are as they were exported",
        Verification::ZipOnly => {
            "checksums: the archive has none, as those of the Python program; the zip format found \
             no damage"
        }
    });
    for note in &installed.notes {
        output::line(format!("note: {note}"));
    }
    output::line("");
    if installed.selected.is_some() {
        let dataset = &installed.dataset;
        output::line(format!(
            "predict with the best model:\n\n  nnunet predict --selected {dataset} -i INPUT -o OUTPUT"
        ));
        return;
    }
    output::line("predict:\n");
    for model in &installed.models {
        let folder = installed.folder.join(model.name.to_string());
        output::line(format!(
            "  nnunet predict -m {} -i INPUT -o OUTPUT",
            folder.display()
        ));
    }
}
