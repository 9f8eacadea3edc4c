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

    /// Whether stderr is a terminal.
    pub(crate) const fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Writes a line, above the bars if there are any.
    pub(crate) fn line(&self, text: &str) {
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
            return Box::new(Lines::new(what, total, Rank::Whole));
        }
        Box::new(Bar::new(&self.bars, what, total, Rank::Whole))
    }

    fn note(&self, text: &str) {
        self.line(text);
    }

    fn warn(&self, text: &str) {
        self.line(&format!("warning: {text}"));
    }
}

/// Whether a piece of work stands for itself or is a step of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    Whole,
    Part,
}

#[derive(Debug)]
struct Bar {
    bar: ProgressBar,
    /// Where the bars of its parts are drawn.
    bars: MultiProgress,
    rank: Rank,
}

impl Bar {
    fn new(bars: &MultiProgress, what: &str, total: usize, rank: Rank) -> Self {
        let bar = bars.add(ProgressBar::new(total as u64));
        let style = ProgressStyle::with_template(
            "{prefix:.bold} {bar:30.cyan/dim} {pos}/{len} {elapsed}<{eta} {wide_msg}",
        );
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(250));
        let bars = bars.clone();
        Self { bar, bars, rank }
    }
}

impl Task for Bar {
    fn step(&self, item: &str) {
        self.bar.set_message(item.to_owned());
        self.bar.inc(1);
    }

    fn part(&self, what: &str, total: usize) -> Box<dyn Task> {
        Box::new(Self::new(&self.bars, what, total, Rank::Part))
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        match self.rank {
            Rank::Whole => self.bar.abandon(),
            // A folder has as many as it has cases.
            Rank::Part => self.bar.finish_and_clear(),
        }
    }
}

#[derive(Debug)]
struct Lines {
    what: String,
    total: usize,
    rank: Rank,
    done: AtomicUsize,
    last: Mutex<Instant>,
    started: Instant,
}

impl Lines {
    fn new(what: &str, total: usize, rank: Rank) -> Self {
        Self {
            what: what.to_owned(),
            total,
            rank,
            done: AtomicUsize::new(0),
            last: Mutex::new(Instant::now()),
            started: Instant::now(),
        }
    }
}

impl Task for Lines {
    fn step(&self, item: &str) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let Ok(mut last) = self.last.lock() else {
            return;
        };
        let is_end = self.rank == Rank::Whole && done == self.total;
        if last.elapsed() >= LINE_INTERVAL || is_end {
            *last = Instant::now();
            eprintln!(
                "{}",
                line(&self.what, done, self.total, self.started.elapsed(), item)
            );
        }
    }

    fn part(&self, what: &str, total: usize) -> Box<dyn Task> {
        Box::new(Self::new(what, total, Rank::Part))
    }
}

/// What is said of a piece of work: how far it is, and how long it will take if it goes on like
/// this.
fn line(what: &str, done: usize, total: usize, elapsed: Duration, item: &str) -> String {
    let mut text = format!("{what}: {done}/{total} after {} s", elapsed.as_secs());
    let left = total.saturating_sub(done);
    if done > 0 && left > 0 {
        let seconds = elapsed.as_secs_f64() / done as f64 * left as f64;
        text.push_str(&format!(", about {seconds:.0} s left"));
    }
    if !item.is_empty() {
        text.push_str(&format!(", {item}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is_and_how_long_it_will_take() {
        let after = |seconds| Duration::from_secs(seconds);
        let text = line("predict", 50, 200, after(10), "case_1");
        assert_eq!(text, "predict: 50/200 after 10 s, about 30 s left, case_1");
        let text = line("predict", 200, 200, after(40), "");
        assert_eq!(text, "predict: 200/200 after 40 s");
    }
}
