//! The log of the libraries, on stderr among the bars of progress.

use std::env;
use std::io::{self, Write};
use std::sync::Arc;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::progress::TerminalProgress;

/// Chooses what is logged more finely than `-v` does: directives of `tracing`, as
/// `nnunet_infer=debug`.
const ENV_LOG: &str = "NNUNET_LOG";

/// Logs what `-v` or the environment asks for; nothing, if neither does.
///
/// # Errors
/// If the directives of the environment cannot be understood.
pub(crate) fn start(verbose: u8, progress: &Arc<TerminalProgress>) -> anyhow::Result<()> {
    let directives = match verbose {
        0 => env::var(ENV_LOG).unwrap_or_default(),
        // The names of all crates of the project begin like this.
        1 => "nnunet=info".to_owned(),
        2 => "nnunet=debug".to_owned(),
        _ => "nnunet=trace".to_owned(),
    };
    if directives.is_empty() {
        return Ok(());
    }
    let filter = EnvFilter::builder().parse(&directives).with_context(|| {
        format!(
            "{ENV_LOG} is `{directives}`, expected directives as `info` or \
             `nnunet_infer=debug,nnunet_train=info`"
        )
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(progress.is_terminal())
        .with_writer(LogLines(Arc::clone(progress)))
        .try_init()
        .map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}

/// Hands lines of the log to whoever draws on the terminal.
#[derive(Clone, Debug)]
struct LogLines(Arc<TerminalProgress>);

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for LogLines {
    /// An event comes as a whole.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.0.line(text.trim_end_matches('\n'));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
