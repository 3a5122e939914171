//! Processor time and bytes written by process: unlike throughput they hardly depend on what else the machine does.

use std::fs;
use std::time::Duration;

/// The unit of `/proc` (`getconf CLK_TCK` is 100).
const TICK: Duration = Duration::from_millis(10);

/// The processes that take part in a drain.
#[derive(Debug, Clone, Copy)]
pub struct Processes {
    pub consumer: u32,
    pub broker: Option<u32>,
    pub postgres: Option<u32>,
}

/// Processor time of each; none where it is not known.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    pub consumer: Option<Duration>,
    pub broker: Option<Duration>,
    pub postgres: Option<Duration>,
    /// Bytes that the consumer, or Postgres where it is known, caused to be written to the disk.
    pub written: Option<u64>,
}

impl Processes {
    pub fn spent(self) -> Spent {
        let of = |process: Option<u32>| process.and_then(with_children);
        let written = self.postgres.map_or_else(
            || written(self.consumer),
            |first| {
                let all: Option<Vec<u64>> =
                    family(first).map(|family| family.into_iter().filter_map(written).collect());
                all.map(|all| all.into_iter().sum::<u64>() + written(self.consumer).unwrap_or_default())
            },
        );
        Spent { consumer: of(Some(self.consumer)), broker: of(self.broker), postgres: of(self.postgres), written }
    }
}

/// A process and its children.
fn family(first: u32) -> Option<Vec<u32>> {
    let processes = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let of_first = |process: &u32| *process == first || stat(*process).is_some_and(|stat| stat.parent == first);
    Some(processes.filter(of_first).collect())
}

/// What a process caused to be written so far (proc_pid_io(5)); of Postgres' sessions that have ended, nothing.
fn written(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/io")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok())
}

impl Spent {
    pub fn since(self, before: Self) -> Self {
        let less = |after: Option<Duration>, before: Option<Duration>| Some(after?.saturating_sub(before?));
        Self {
            consumer: less(self.consumer, before.consumer),
            broker: less(self.broker, before.broker),
            postgres: less(self.postgres, before.postgres),
            written: self.written.zip(before.written).map(|(after, before)| after.saturating_sub(before)),
        }
    }
}

/// User and system time so far, with that of children that have ended, and of those that run. (The benchmark's own
/// child is the consumer, which is measured by itself.)
fn with_children(process: u32) -> Option<Duration> {
    let own = stat(process)?;
    if process == std::process::id() {
        return Some(TICK * own.ticks);
    }
    let processes = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let children = processes.filter_map(stat).filter(|stat| stat.parent == process);
    Some(TICK * (own.ticks + own.ended_ticks + children.map(|child| child.ticks).sum::<u32>()))
}

struct Stat {
    parent: u32,
    ticks: u32,
    ended_ticks: u32,
}

fn stat(process: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field, a name, may hold anything, but it ends at the last parenthesis. After it, the parent is field
    // 4 and the times are fields 14 to 17 (proc_pid_stat(5)).
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u32>().ok();
    Some(Stat { parent: field(4)?, ticks: field(14)? + field(15)?, ended_ticks: field(16)? + field(17)? })
}
