//! Progress on the terminal: bars where there is one, sparse lines where there is not.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use nnunet::schema::{Progress, Task};

/// Without a terminal, at most one line per task in this time.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Draws to stderr, so that stdout stays for results.
#[derive(Debug)]
pub(crate) struct TerminalProgress {
    bars: MultiProgress,
    is_terminal: bool,
}

impl TerminalProgress {
    pub(crate) fn new() -> Self {
        let bars = MultiProgress::new();
        let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        Self { bars, is_terminal }
    }

    fn line(&self, text: &str) {
        if self.is_terminal {
            // A terminal that has gone away is no reason to stop working.
            let _ = self.bars.println(text);
        } else {
            eprintln!("{text}");
        }
    }
}

impl Progress for TerminalProgress {
    fn start(&self, what: &str, total: usize) -> Box<dyn Task> {
        if !self.is_terminal {
            eprintln!("{what}: {total} to do");
            return Box::new(Lines {
                what: what.to_owned(),
                total,
                done: AtomicUsize::new(0),
                last: Mutex::new(Instant::now()),
                started: Instant::now(),
            });
        }
        let bar = self.bars.add(ProgressBar::new(total as u64));
        let style = ProgressStyle::with_template(
            "{prefix:.bold} {bar:30.cyan/dim} {pos}/{len} {elapsed}<{eta} {wide_msg}",
        );
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(250));
        Box::new(Bar(bar))
    }

    fn note(&self, text: &str) {
        self.line(text);
    }

    fn warn(&self, text: &str) {
        self.line(&format!("warning: {text}"));
    }
}

#[derive(Debug)]
struct Bar(ProgressBar);

impl Task for Bar {
    fn step(&self, item: &str) {
        self.0.set_message(item.to_owned());
        self.0.inc(1);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

#[derive(Debug)]
struct Lines {
    what: String,
    total: usize,
    done: AtomicUsize,
    last: Mutex<Instant>,
    started: Instant,
}

impl Task for Lines {
    fn step(&self, item: &str) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let Ok(mut last) = self.last.lock() else {
            return;
        };
        if last.elapsed() >= LINE_INTERVAL || done == self.total {
            *last = Instant::now();
            let seconds = self.started.elapsed().as_secs();
            eprintln!(
                "{}: {done}/{} after {seconds} s, {item}",
                self.what, self.total
            );
        }
    }
}
