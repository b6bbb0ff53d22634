//! Reads `/proc`: sessions and markers of processes, their memory, and the ports on which they
//! listen.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions};

/// The variable that marks every process of a pod.
pub(super) const MARKER: &str = "ROUSE_CONTAINER";

/// The fields of `/proc/<pid>/stat` that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) pid: u32,
    pub(super) zombie: bool,
    pub(super) session: u32,
    /// Clock ticks after boot; with the pid it identifies a process until reboot.
    pub(super) started: u64,
    /// CPU time in clock ticks, with that of the children that it waited for.
    pub(super) ticks: u64,
}

pub(super) fn stat(pid: u32) -> Option<Stat> {
    parse_stat(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name in parentheses may contain spaces and parentheses.
fn parse_stat(pid: u32, text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // proc(5) counts from 1; the first field after the name, the state, is its 3rd.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let times = [14, 15, 16, 17].map(|field| number(field).unwrap_or(0));
    Some(Stat {
        pid,
        zombie: *fields.first()? == "Z",
        session: number(6)?.try_into().ok()?,
        started: number(22)?,
        ticks: times.into_iter().fold(0, u64::saturating_add),
    })
}

/// A number of clock ticks as time.
pub(super) fn ticks(ticks: u64) -> Duration {
    let second = rustix::param::clock_ticks_per_second().max(1);
    let nanos = u128::from(ticks) * 1_000_000_000 / u128::from(second);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// All processes of this host that can be seen, by one reading of `/proc`.
pub(super) struct Table(Vec<Stat>);

impl Table {
    pub(super) fn read() -> Self {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        Self(entries.filter_map(|entry| stat(entry.file_name().to_str()?.parse().ok()?)).collect())
    }

    /// All but zombies.
    pub(super) fn alive(&self) -> impl Iterator<Item = &Stat> {
        self.0.iter().filter(|stat| !stat.zombie)
    }

    /// The processes of a session. Sessions from outside the platform's pid namespace all read as
    /// 0, which names none.
    pub(super) fn session(&self, session: u32) -> impl Iterator<Item = &Stat> {
        self.alive()
            .filter(move |stat| session > 1 && (stat.session == session || stat.pid == session))
    }
}

/// The marker that a process was started with, or inherited.
pub(super) fn marker(pid: u32) -> Option<String> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut vars = environ.split(|byte| *byte == 0);
    let value = vars.find_map(|var| var.strip_prefix(MARKER.as_bytes())?.strip_prefix(b"="))?;
    String::from_utf8(value.to_vec()).ok()
}

/// The processes of a session, and those that left it but still carry its marker.
pub(super) fn members(session: u32, marked: Option<&str>) -> Vec<Stat> {
    let table = Table::read();
    let mut members: Vec<Stat> = table.session(session).copied().collect();
    if let Some(marked) = marked {
        let others = table.alive().filter(|stat| !members.iter().any(|of| of.pid == stat.pid));
        let marked = others.filter(|stat| marker(stat.pid).as_deref() == Some(marked));
        let marked: Vec<Stat> = marked.copied().collect();
        members.extend(marked);
    }
    members
}

pub(super) fn kill(pid: u32) {
    if let Some(pid) = as_pid(pid) {
        // It may have ended already.
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
}

/// Kills a child of this process and waits for its end, so that it is no zombie.
pub(super) fn end(child: u32) {
    kill(child);
    if let Some(pid) = as_pid(child) {
        // Another thread may have waited for it already.
        let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
    }
}

/// Sends SIGTERM to the leader's process group.
pub(super) fn terminate_group(leader: u32) {
    if let Some(pid) = as_pid(leader) {
        let _ = rustix::process::kill_process_group(pid, Signal::TERM);
    }
}

/// Kills a session's processes until none is left; returns their pids.
pub(super) fn kill_session(session: u32, marked: Option<&str>) -> HashSet<u32> {
    /// Processes may fork between the rounds, so the rounds are limited.
    const ROUNDS_MAX: usize = 16;
    let mut killed = HashSet::new();
    if session <= 1 {
        return killed;
    }
    for _ in 0..ROUNDS_MAX {
        let found = members(session, marked);
        let fresh: Vec<_> = found.iter().filter(|stat| killed.insert(stat.pid)).collect();
        if fresh.is_empty() {
            break;
        }
        for stat in fresh {
            kill(stat.pid);
        }
    }
    killed
}

pub(super) fn as_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(pid.try_into().ok()?)
}

/// Resident memory of a session's processes in bytes. File pages, which they mostly share, are
/// counted once.
pub(super) fn resident(pids: impl IntoIterator<Item = u32>) -> u64 {
    let (mut own, mut shared_max) = (0_u64, 0);
    for pid in pids {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/status")) else { continue };
        own = own.saturating_add(kib(&text, "RssAnon:"));
        let shared = kib(&text, "RssFile:").saturating_add(kib(&text, "RssShmem:"));
        shared_max = shared_max.max(shared);
    }
    own.saturating_add(shared_max).saturating_mul(1024)
}

fn kib(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The TCP ports on which the processes of a session listen, ascending.
pub(super) fn listening(session: u32) -> Vec<u16> {
    let mut sockets = HashSet::new();
    for member in members(session, None) {
        let dir = format!("/proc/{}/fd", member.pid);
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let link = fs::read_link(entry.path()).unwrap_or_default();
            let inode = link.to_str().and_then(|l| l.strip_prefix("socket:[")?.strip_suffix(']'));
            sockets.extend(inode.and_then(|inode| inode.parse::<u64>().ok()));
        }
    }
    let tables = tables(Path::new("/proc/net"));
    ascending(tables.filter(|(_, inode)| sockets.contains(inode)).map(|(port, _)| port))
}

/// The TCP ports on which any program listens in a container's network namespace, ascending. `None`
/// if `pid` is not a process of the container `id` on this host: an engine may be elsewhere.
pub(super) fn listening_in_container(pid: u32, id: &str) -> Option<Vec<u16>> {
    let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    if !cgroup.contains(id) {
        return None;
    }
    let tables = tables(&Path::new("/proc").join(pid.to_string()).join("net"));
    Some(ascending(tables.map(|(port, _)| port)))
}

fn tables(net: &Path) -> impl Iterator<Item = (u16, u64)> + use<> {
    let texts = ["tcp", "tcp6"].map(|table| fs::read_to_string(net.join(table)));
    texts.into_iter().flatten().flat_map(|table| parse_listening(&table))
}

fn ascending(ports: impl Iterator<Item = u16>) -> Vec<u16> {
    let mut ports: Vec<u16> = ports.collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Port and inode of each listening socket in `/proc/net/tcp`.
fn parse_listening(table: &str) -> Vec<(u16, u64)> {
    const LISTEN: &str = "0A";
    let rows = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, port) = fields.get(1)?.rsplit_once(':')?;
        if *fields.get(3)? != LISTEN {
            return None;
        }
        Some((u16::from_str_radix(port, 16).ok()?, fields.get(9)?.parse().ok()?))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_confuse_stat() {
        let text = "42 (a) b) (c) S 7 42 41 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2";
        let want = Stat { pid: 42, zombie: false, session: 41, started: 987_654, ticks: 26 };
        assert_eq!(parse_stat(42, text), Some(want));
    }

    #[test]
    fn only_listening_sockets_are_taken_from_the_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt \
                     uid timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 777 1\n\
             1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000 0 0 778 1\n";
        assert_eq!(parse_listening(table), [(8080, 777)]);
    }
}
