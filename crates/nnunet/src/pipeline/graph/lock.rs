//! One process per job: a lock file that names its owner, whose heart beats in it.
//!
//! The operating system's lock of the file guards only the moments in which the file is read and
//! written, so that two successors of a dead owner cannot both take over; the ownership itself is
//! what the file says, because on the shared folders of clusters the former may end at the node.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::stamp::now;

/// How often the owner of a lock says that it lives.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);
/// After how long without a heartbeat an owner on another machine is dead.
pub(super) const DEAD_AFTER: Duration = Duration::from_secs(120);

/// The process that runs a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    /// Name of its machine.
    pub host: String,
    /// Its number there.
    pub pid: u32,
    /// When it took the lock, seconds since 1970.
    pub since: f64,
    /// When it was last known to live, seconds since 1970.
    pub heartbeat: f64,
    /// In which space of processes the number counts: the start of the machine and the
    /// container. Empty where that is not known.
    #[serde(default)]
    space: String,
    /// When the process began, in the machine's own count, so that a later one of the same number
    /// is not taken for it. Empty where that is not known.
    #[serde(default)]
    process_start: String,
    /// Tells locks of one process apart.
    #[serde(default)]
    serial: u64,
}

impl Owner {
    fn this_process() -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(0);
        let pid = std::process::id();
        let time = now();
        Self {
            host: host(),
            pid,
            since: time,
            heartbeat: time,
            space: process_space(),
            process_start: process_start(pid).unwrap_or_default(),
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Whether it is the same taking of the lock.
    fn is(&self, other: &Self) -> bool {
        let key = |o: &Self| (o.host.clone(), o.pid, o.since.to_bits(), o.serial);
        key(self) == key(other)
    }

    /// Whether it still lives, as far as can be told from here.
    fn lives(&self, dead_after: Duration) -> bool {
        let is_near = !self.space.is_empty() && self.space == process_space();
        if is_near && !self.process_start.is_empty() {
            return process_start(self.pid).is_some_and(|start| start == self.process_start);
        }
        now() - self.heartbeat < dead_after.as_secs_f64()
    }
}

/// What came of asking for a lock.
#[derive(Debug)]
pub(super) enum Acquired {
    /// It is ours. The owner whose place it takes, if that died over the job.
    Ours(JobLock, Option<Owner>),
    /// A living process has it.
    Theirs(Owner),
}

/// A lock that this process owns. Dropping it frees it.
#[derive(Debug)]
pub(super) struct JobLock {
    path: PathBuf,
    owner: Owner,
}

impl JobLock {
    /// Takes the lock at `path`, from its owner if that is dead.
    pub(super) fn acquire(path: &Path, dead_after: Duration) -> io::Result<Acquired> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = LockFile::open(path)?;
        let before = file.owner()?;
        match before {
            Some(owner) if owner.lives(dead_after) => Ok(Acquired::Theirs(owner)),
            dead => {
                let owner = Owner::this_process();
                file.write(Some(&owner))?;
                let path = path.to_path_buf();
                Ok(Acquired::Ours(Self { path, owner }, dead))
            }
        }
    }

    /// The living owner of the lock at `path`, if there is one.
    pub(super) fn look(path: &Path, dead_after: Duration) -> io::Result<Option<Owner>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        file.lock_shared()?;
        let owner = LockFile(file).owner()?;
        Ok(owner.filter(|owner| owner.lives(dead_after)))
    }

    /// Says that the owner lives; whether it still is the owner.
    pub(super) fn beat(&self) -> io::Result<bool> {
        let mut file = LockFile::open(&self.path)?;
        match file.owner()? {
            Some(owner) if owner.is(&self.owner) => {
                let heartbeat = now();
                file.write(Some(&Owner { heartbeat, ..owner }))?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

impl Drop for JobLock {
    fn drop(&mut self) {
        // A lock that cannot be freed is one of a dead owner once this process ends.
        let _ = LockFile::open(&self.path).and_then(|mut file| match file.owner()? {
            Some(owner) if owner.is(&self.owner) => file.write(None),
            _ => Ok(()),
        });
    }
}

/// The lock file while nobody else reads or writes it.
struct LockFile(File);

impl LockFile {
    fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path)?;
        file.lock()?;
        Ok(Self(file))
    }

    /// Nobody if it is empty, or if its writer died over it.
    fn owner(&mut self) -> io::Result<Option<Owner>> {
        let mut text = String::new();
        self.0.seek(SeekFrom::Start(0))?;
        match self.0.read_to_string(&mut text) {
            Ok(_) => Ok(serde_json::from_str(&text).ok()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, owner: Option<&Owner>) -> io::Result<()> {
        let text = owner.map(serde_json::to_string).transpose()?;
        self.0.set_len(0)?;
        self.0.seek(SeekFrom::Start(0))?;
        self.0.write_all(text.unwrap_or_default().as_bytes())?;
        self.0.flush()
    }
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    (name.map(|name| name.trim().to_owned()))
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_else(|| "unknown".to_owned())
}

fn process_space() -> String {
    let start = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let container = std::fs::read_link("/proc/self/ns/pid");
    match (start, container) {
        (Ok(start), Ok(container)) => format!("{} {}", start.trim(), container.display()),
        _ => String::new(),
    }
}

/// When a living process began, in the machine's count of time; a process that has ended but is
/// still listed (a zombie) does not live.
fn process_start(pid: u32) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in parentheses and may hold anything.
    let (_, after_name) = status.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    // Field 22 of proc(5); the state was the third.
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn lock_file() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs/train.lock");
        (folder, path)
    }

    fn write(path: &Path, owner: &Owner) {
        LockFile::open(path).unwrap().write(Some(owner)).unwrap();
    }

    fn elsewhere(heartbeat: f64) -> Owner {
        Owner {
            host: "other".to_owned(),
            space: "another machine".to_owned(),
            heartbeat,
            ..Owner::this_process()
        }
    }

    #[test]
    fn a_living_owner_keeps_others_out_until_it_lets_go() {
        let (_folder, path) = lock_file();
        let Acquired::Ours(lock, None) = JobLock::acquire(&path, DEAD_AFTER).unwrap() else {
            panic!("nobody has it");
        };
        let Acquired::Theirs(owner) = JobLock::acquire(&path, DEAD_AFTER).unwrap() else {
            panic!("it is taken");
        };
        assert_eq!(owner.pid, std::process::id());
        assert!(lock.beat().unwrap());
        assert!(JobLock::look(&path, DEAD_AFTER).unwrap().is_some());
        drop(lock);
        assert_eq!(JobLock::look(&path, DEAD_AFTER).unwrap(), None);
        let again = JobLock::acquire(&path, DEAD_AFTER).unwrap();
        assert!(matches!(again, Acquired::Ours(_, None)));
    }

    #[test]
    fn the_lock_of_a_process_that_was_killed_is_taken_over_at_once() {
        let (_folder, path) = lock_file();
        let mut child = Command::new("sleep")
            .arg("60")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let Some(start) = process_start(child.id()) else {
            child.kill().unwrap();
            child.wait().unwrap();
            println!("the_lock_of_a_process_that_was_killed: skipped, there is no /proc here");
            return;
        };
        drop(JobLock::acquire(&path, DEAD_AFTER).unwrap());
        let owner = Owner {
            pid: child.id(),
            process_start: start,
            // Silent for long, which is no matter as long as it lives.
            heartbeat: 0.0,
            ..Owner::this_process()
        };
        write(&path, &owner);
        let refused = JobLock::acquire(&path, DEAD_AFTER).unwrap();
        assert!(matches!(refused, Acquired::Theirs(_)));
        child.kill().unwrap();
        // Not waited for yet: still listed, but dead.
        std::thread::sleep(Duration::from_millis(100));
        let taken = JobLock::acquire(&path, DEAD_AFTER).unwrap();
        let Acquired::Ours(_, Some(dead)) = taken else {
            panic!("{taken:?}");
        };
        assert_eq!(dead.pid, child.id());
        child.wait().unwrap();
    }

    #[test]
    fn an_owner_on_another_machine_is_dead_when_its_heart_stops() {
        let (_folder, path) = lock_file();
        drop(JobLock::acquire(&path, DEAD_AFTER).unwrap());
        write(&path, &elsewhere(now() - 60.0));
        let refused = JobLock::acquire(&path, DEAD_AFTER).unwrap();
        assert!(matches!(refused, Acquired::Theirs(_)));
        write(&path, &elsewhere(now() - 200.0));
        let taken = JobLock::acquire(&path, DEAD_AFTER).unwrap();
        assert!(matches!(taken, Acquired::Ours(_, Some(_))));
    }

    #[test]
    fn an_owner_whose_place_was_taken_learns_it_and_frees_nothing() {
        let (_folder, path) = lock_file();
        let Acquired::Ours(lock, _) = JobLock::acquire(&path, DEAD_AFTER).unwrap() else {
            panic!("nobody has it");
        };
        write(&path, &elsewhere(now()));
        assert!(!lock.beat().unwrap());
        drop(lock);
        let owner = JobLock::look(&path, DEAD_AFTER).unwrap().unwrap();
        assert_eq!(owner.host, "other");
    }

    #[test]
    fn of_many_successors_one_takes_over() {
        let (_folder, path) = lock_file();
        drop(JobLock::acquire(&path, DEAD_AFTER).unwrap());
        write(&path, &elsewhere(0.0));
        let taken: Vec<Acquired> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| JobLock::acquire(&path, DEAD_AFTER).unwrap()))
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        let ours = taken.iter().filter(|one| matches!(one, Acquired::Ours(..)));
        assert_eq!(ours.count(), 1);
    }

    #[test]
    fn a_lock_file_that_was_torn_belongs_to_nobody() {
        let (_folder, path) = lock_file();
        drop(JobLock::acquire(&path, DEAD_AFTER).unwrap());
        std::fs::write(&path, "{\"host\": \"a\", \"pi").unwrap();
        let taken = JobLock::acquire(&path, DEAD_AFTER).unwrap();
        assert!(matches!(taken, Acquired::Ours(_, None)));
    }
}
