//! A Slurm cluster of one node on this machine, for as long as a test takes.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What must be installed.
const PROGRAMS: [&str; 8] = [
    "munged",
    "slurmctld",
    "slurmd",
    "sbatch",
    "squeue",
    "scontrol",
    "scancel",
    "sinfo",
];
/// Where daemons are on systems that keep them from users' paths.
const DAEMON_FOLDERS: &str = "/usr/sbin:/sbin:/usr/local/sbin";
/// How long the daemons may take to come up, or to go.
const PATIENCE: Duration = Duration::from_secs(30);

/// The daemons, which end with this value.
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    daemons: Vec<Child>,
}

impl Cluster {
    /// Starts one, or says why there can be none here.
    pub(crate) fn start() -> Result<Self, String> {
        let user = Command::new("id").arg("-u").output();
        if !user.is_ok_and(|ended| ended.stdout == b"0\n") {
            return Err("only root can start Slurm's daemons".to_owned());
        }
        for program in PROGRAMS {
            if !is_installed(program) {
                return Err(format!("`{program}` is not installed"));
            }
        }
        // The path of a socket must be short.
        let folder = tempfile::Builder::new().prefix("slurm-").tempdir_in("/tmp");
        let mut cluster = Self {
            folder: folder.map_err(|error| error.to_string())?,
            daemons: Vec::new(),
        };
        cluster.configure();
        let path = |name: &str| cluster.path(name).display().to_string();
        let munge = [
            format!("--socket={}", path("munge")),
            format!("--key-file={}", path("key")),
            format!("--log-file={}", path("munged.log")),
            format!("--pid-file={}", path("munged.pid")),
            format!("--seed-file={}", path("munged.seed")),
        ];
        let mut munged = vec!["--foreground", "--force"];
        munged.extend(munge.iter().map(String::as_str));
        cluster.daemon("munged", &munged);
        cluster.wait_for("munged", |cluster| cluster.path("munge").exists());
        cluster.daemon("slurmctld", &["-D", "-i"]);
        cluster.daemon("slurmd", &["-D"]);
        cluster.wait_for("the node", |cluster| {
            let state = cluster.ask("sinfo", &["--noheader", "--format=%T"]);
            state.is_some_and(|state| state.trim() == "idle")
        });
        Ok(cluster)
    }

    fn configure(&self) {
        let key: Vec<u8> = (0..=255).collect();
        fs::write(self.path("key"), key).unwrap();
        let only_ours = fs::Permissions::from_mode(0o400);
        fs::set_permissions(self.path("key"), only_ours).unwrap();
        for folder in ["state", "spool"] {
            fs::create_dir(self.path(folder)).unwrap();
        }
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let host = host.trim().split('.').next().unwrap();
        // Both held until both are known, so that they differ.
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [controller, node] = listeners.map(|one| one.local_addr().unwrap().port());
        let here = self.folder.path().display();
        let text = format!(
            "ClusterName=test\n\
             SlurmctldHost={host}(127.0.0.1)\n\
             SlurmctldPort={controller}\n\
             SlurmdPort={node}\n\
             SlurmUser=root\n\
             SlurmdUser=root\n\
             AuthType=auth/munge\n\
             # How long a job waits after a requeue is as long as credentials are good.\n\
             AuthInfo=socket={here}/munge,cred_expire=5\n\
             StateSaveLocation={here}/state\n\
             SlurmdSpoolDir={here}/spool\n\
             SlurmctldPidFile={here}/slurmctld.pid\n\
             SlurmdPidFile={here}/slurmd.pid\n\
             SlurmctldLogFile={here}/slurmctld.log\n\
             SlurmdLogFile={here}/slurmd.log\n\
             ProctrackType=proctrack/linuxproc\n\
             TaskPlugin=task/none\n\
             SelectType=select/cons_tres\n\
             SelectTypeParameters=CR_Core\n\
             JobRequeue=1\n\
             ReturnToService=2\n\
             AccountingStorageType=accounting_storage/none\n\
             JobAcctGatherType=jobacct_gather/none\n\
             MpiDefault=none\n\
             SwitchType=switch/none\n\
             KillWait=2\n\
             SlurmdParameters=config_overrides\n\
             SchedulerParameters=sched_interval=2,sched_min_interval=0,bf_interval=2\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN\n\
             PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP\n"
        );
        fs::write(self.configuration(), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The file that the variable `SLURM_CONF` names for Slurm's programs.
    pub(crate) fn configuration(&self) -> PathBuf {
        self.path("slurm.conf")
    }

    fn daemon(&mut self, program: &str, arguments: &[&str]) {
        let mut command = self.command(program);
        command.args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.daemons.push(command.spawn().unwrap());
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", self.configuration());
        command.env("PATH", search_path());
        command
    }

    /// What one of Slurm's programs prints, if it succeeds.
    pub(crate) fn ask(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let ended = self.command(program).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&ended.stdout).into_owned();
        ended.status.success().then_some(text)
    }

    /// Waits until it holds; fails with what the daemons logged.
    fn wait_for(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            if begun.elapsed() > PATIENCE {
                panic!("{what} is not there after {PATIENCE:?}: {}", self.logs());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The last lines that the daemons logged.
    pub(crate) fn logs(&self) -> String {
        let mut text = String::new();
        for name in ["munged.log", "slurmctld.log", "slurmd.log"] {
            let log = fs::read_to_string(self.path(name)).unwrap_or_default();
            let lines: Vec<&str> = log.lines().rev().take(150).collect();
            text.push_str(&format!("\n{name}:\n"));
            for line in lines.iter().rev() {
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }

    /// Processes of this cluster: those that have its configuration in their environment.
    fn processes(&self) -> Vec<String> {
        let mark = format!("SLURM_CONF={}", self.configuration().display());
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let is_marked = |path: &Path| {
            let environment = fs::read(path.join("environ")).unwrap_or_default();
            let mut variables = environment.split(|byte| *byte == 0);
            variables.any(|variable| variable == mark.as_bytes())
        };
        entries
            .map(|entry| entry.path())
            .filter(|path| is_marked(path))
            .filter_map(|path| path.file_name().and_then(OsStr::to_str).map(str::to_owned))
            .collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for daemon in &mut self.daemons {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        // The jobs, and what watches over them, outlive the daemons.
        for pid in self.processes() {
            let _ = Command::new("kill").args(["-KILL", &pid]).status();
        }
    }
}

fn search_path() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:{DAEMON_FOLDERS}")
}

fn is_installed(program: &str) -> bool {
    let path = search_path();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
