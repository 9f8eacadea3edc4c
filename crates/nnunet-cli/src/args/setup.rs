//! Arguments of the commands about the program itself.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use super::{DeviceArgs, JsonArgs};

#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    #[command(flatten)]
    pub(crate) json: JsonArgs,
}

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell that is to complete commands
    pub(crate) shell: Shell,
}

#[derive(Args, Debug)]
pub(crate) struct ManPagesArgs {
    /// Folder for the pages, e.g. `~/.local/share/man/man1`; made if it is not there
    pub(crate) folder: PathBuf,
}
