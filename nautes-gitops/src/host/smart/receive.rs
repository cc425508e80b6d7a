//! Writing: `git-receive-pack`.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio::time::Instant;

use super::packet::{self, Packet, Reader};
use super::{AGENT, Ask, Remote};
use crate::host::net::{Content, Fault};
use crate::host::types::check_branch;
use crate::host::{HostError, PushError};
use crate::oid::Oid;
use crate::repo::Mirror;

const REQUEST: &str = "application/x-git-receive-pack-request";
const RESULT: &str = "application/x-git-receive-pack-result";
const ADVERTISEMENT: &str = "application/x-git-receive-pack-advertisement";

/// What the server says before a push.
#[derive(Debug, Default)]
struct Advertised {
    /// All references, with those of others whose objects the server has, too.
    refs: BTreeMap<String, Oid>,
    known: Vec<Oid>,
    capabilities: Vec<String>,
}

/// What the server says after a push.
#[derive(Debug, Default, PartialEq, Eq)]
struct Report {
    /// Whether the objects were taken; with why not.
    unpacked: Option<Result<(), String>>,
    /// Whether the branch was moved; with why not.
    moved: Option<Result<(), String>>,
    /// What it says to people.
    messages: Vec<String>,
}

impl Remote<'_> {
    /// Moves `branch` from `expected` to `new`, which `mirror` has.
    pub(crate) async fn push(
        &self,
        mirror: &Mirror,
        branch: &str,
        expected: Option<Oid>,
        new: Oid,
    ) -> Result<(), PushError> {
        const ACTION: &str = "push to";
        check_branch(branch)?;
        let name = format!("refs/heads/{branch}");
        let deadline = self.deadline();
        let advertised = self.advertised().await?;
        let actual = advertised.refs.get(&name).copied();
        if actual != expected {
            return Err(moved(branch, actual));
        }
        let pack = mirror
            .export(vec![new], advertised.known.clone())
            .await
            .map_err(|source| self.mirror("pushing to", source))?;
        let limit = self.net.options().push_bytes;
        if pack.len() as u64 > limit {
            let why = format!("the push has {} bytes; at most {limit} are sent", pack.len());
            return Err(HostError::invalid(self.what(), why).into());
        }
        self.tell(pack.len() as u64, None);
        let ask = Ask {
            at: &["git-receive-pack"],
            query: None,
            body: Some((REQUEST, request(&advertised, &name, expected, new, &pack))),
            headers: vec![("accept", RESULT)],
            repeatable: false,
            streams: false,
            total: deadline.saturating_duration_since(Instant::now()),
        };
        let reply = match self.ask(ask).await {
            Ok(reply) => reply,
            Err(fault @ (Fault::Lost(_) | Fault::Late | Fault::TooLarge { .. })) => {
                return self
                    .settle(branch, expected, new, self.fault(ACTION, fault))
                    .await;
            }
            Err(fault) => return Err(self.fault(ACTION, fault).into()),
        };
        if reply.status.is_server_error() {
            let error = self.fault(ACTION, Fault::Status(reply.status));
            return self.settle(branch, expected, new, error).await;
        }
        let content = match self.content(ACTION, reply, RESULT)? {
            Content::Whole(bytes) => bytes,
            Content::Stream(_) => Bytes::new(),
        };
        let sideband = advertised.has("side-band-64k");
        match report(&content, &name, sideband) {
            Ok(report) => self.outcome(report, branch, expected).await,
            Err(fault) => {
                self.settle(branch, expected, new, self.fault(ACTION, fault))
                    .await
            }
        }
    }

    /// Fails where the caller may not push.
    pub(crate) async fn takes_pushes(&self) -> Result<(), HostError> {
        self.advertised().await.map(drop)
    }

    async fn advertised(&self) -> Result<Advertised, HostError> {
        const ACTION: &str = "push to";
        let ask = Ask {
            at: &["info", "refs"],
            query: Some("service=git-receive-pack"),
            body: None,
            headers: Vec::new(),
            repeatable: true,
            streams: false,
            total: self.net.options().total,
        };
        let reply = self.ask(ask).await.map_err(|fault| self.fault(ACTION, fault))?;
        let Content::Whole(bytes) = self.content(ACTION, reply, ADVERTISEMENT)? else {
            return Err(self.strange(ACTION, "it has no content"));
        };
        let advertised = advertised(&bytes).map_err(|fault| self.fault(ACTION, fault))?;
        if !advertised.has("report-status") {
            return Err(self.strange(ACTION, "the server does not report what becomes of a push"));
        }
        let format = advertised
            .capabilities
            .iter()
            .find_map(|name| name.strip_prefix("object-format="));
        if format.is_some_and(|format| format != "sha1") {
            let why = "its objects are not named by SHA-1, which is not supported";
            return Err(HostError::invalid(self.what(), why));
        }
        Ok(advertised)
    }

    /// Reads off what became of a push.
    async fn outcome(&self, report: Report, branch: &str, expected: Option<Oid>) -> Result<(), PushError> {
        let said = report.messages.join("; ");
        let why = match (report.unpacked, report.moved) {
            (Some(Ok(())), Some(Ok(()))) => {
                if !said.is_empty() {
                    self.tell(0, Some(said));
                }
                return Ok(());
            }
            (_, Some(Err(why))) | (Some(Err(why)), None) => why,
            (_, None) | (None, _) | (Some(Err(_)), Some(Ok(()))) => {
                "the server does not say what became of it".to_owned()
            }
        };
        // Somebody may have been faster; the words for that differ from server to server, the branch does not.
        let actual = self.refs().await?.get(&format!("refs/heads/{branch}")).copied();
        if actual != expected {
            return Err(moved(branch, actual));
        }
        let why = if said.is_empty() {
            why
        } else {
            format!("{why} ({said})")
        };
        Err(PushError::Refused {
            branch: branch.to_owned(),
            why,
        })
    }

    /// Looks up what became of a push of which the answer is lost.
    async fn settle(
        &self,
        branch: &str,
        expected: Option<Oid>,
        new: Oid,
        error: HostError,
    ) -> Result<(), PushError> {
        let Ok(refs) = self.refs().await else {
            return Err(error.into());
        };
        match refs.get(&format!("refs/heads/{branch}")).copied() {
            Some(actual) if actual == new => Ok(()),
            // It may still be under way.
            actual if actual == expected => Err(error.into()),
            actual => Err(moved(branch, actual)),
        }
    }
}

impl Advertised {
    fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|name| name == capability)
    }
}

fn moved(branch: &str, actual: Option<Oid>) -> PushError {
    PushError::Moved {
        branch: branch.to_owned(),
        actual,
    }
}

fn request(advertised: &Advertised, name: &str, old: Option<Oid>, new: Oid, pack: &[u8]) -> Bytes {
    let old = old.map_or_else(|| Oid::ZERO.to_owned(), |id| id.to_string());
    let mut capabilities = vec!["report-status"];
    for wanted in ["side-band-64k", "object-format=sha1", "quiet"] {
        if advertised.has(wanted) {
            capabilities.push(wanted);
        }
    }
    capabilities.push(AGENT);
    let mut body = Vec::with_capacity(pack.len() + 512);
    packet::line(
        &mut body,
        &format!("{old} {new} {name}\0 {}", capabilities.join(" ")),
    );
    packet::flush(&mut body);
    body.extend_from_slice(pack);
    body.into()
}

/// Reads what the server says before a push.
fn advertised(bytes: &[u8]) -> Result<Advertised, Fault> {
    let mut found = Advertised::default();
    let mut ended = false;
    for packet in packet::all(bytes)? {
        let Packet::Line(line) = packet else {
            ended |= packet == Packet::Flush;
            continue;
        };
        packet::complaint(&line)?;
        let text = packet::text(&line);
        if text.starts_with("# service=") {
            continue;
        }
        ended = false;
        let (reference, capabilities) = text.split_once('\0').unwrap_or((&text, ""));
        found
            .capabilities
            .extend(capabilities.split_whitespace().map(str::to_owned));
        let strange = || Fault::Strange("it is no list of references".to_owned());
        let (id, name) = reference.split_once(' ').ok_or_else(strange)?;
        if name == "capabilities^{}" {
            continue;
        }
        let id: Oid = id.parse().map_err(|_| strange())?;
        found.known.push(id);
        if name != ".have" {
            found.refs.insert(name.to_owned(), id);
        }
    }
    if !ended {
        return Err(Fault::Strange("it breaks off".to_owned()));
    }
    Ok(found)
}

/// Reads what the server says after a push.
fn report(bytes: &[u8], name: &str, sideband: bool) -> Result<Report, Fault> {
    let mut report = Report::default();
    let mut inner = Reader::default();
    if sideband {
        for packet in packet::all(bytes)? {
            let Packet::Line(line) = packet else { continue };
            match line.first() {
                Some(1) => inner.feed(&line[1..]),
                Some(2) => report.messages.extend(said(&line[1..])),
                Some(3) => {
                    return Err(Fault::Strange(format!(
                        "the server says: {}",
                        packet::clean(&line[1..])
                    )));
                }
                _ => return Err(Fault::Strange("a packet is on no known band".to_owned())),
            }
        }
    } else {
        inner.feed(bytes);
    }
    while let Some(packet) = inner.take()? {
        let Packet::Line(line) = packet else { continue };
        let text = packet::text(&line);
        if let Some(unpacked) = text.strip_prefix("unpack ") {
            let ok = unpacked == "ok";
            report.unpacked = Some(if ok {
                Ok(())
            } else {
                Err(packet::clean(unpacked.as_bytes()))
            });
        } else if text.strip_prefix("ok ") == Some(name) {
            report.moved = Some(Ok(()));
        } else if let Some(why) = text.strip_prefix("ng ").and_then(|rest| rest.strip_prefix(name)) {
            report.moved = Some(Err(packet::clean(why.as_bytes())));
        }
    }
    if !inner.is_empty() || report == Report::default() {
        return Err(Fault::Strange("it breaks off".to_owned()));
    }
    Ok(report)
}

/// Returns what a server says to people, if it says anything.
fn said(bytes: &[u8]) -> Option<String> {
    let text = packet::clean(bytes);
    let text = text
        .trim_matches(|c: char| c == '=' || c.is_whitespace())
        .to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band(number: u8, text: &[u8]) -> Vec<u8> {
        let mut packet = format!("{:04x}", text.len() + 5).into_bytes();
        packet.push(number);
        packet.extend_from_slice(text);
        packet
    }

    #[test]
    fn a_refusal_is_read_with_what_the_server_says_about_it() {
        let mut inner = Vec::new();
        packet::line(&mut inner, "unpack ok\n");
        packet::line(&mut inner, "ng refs/heads/main pre-receive hook declined\n");
        packet::flush(&mut inner);
        // The report may be cut anywhere.
        let (one, two) = inner.split_at(11);
        let mut bytes = band(
            2,
            b"GitLab: You are not allowed to push code to protected branches.\n",
        );
        bytes.extend(band(1, one));
        bytes.extend(band(1, two));
        packet::flush(&mut bytes);
        let found = report(&bytes, "refs/heads/main", true).unwrap();
        assert_eq!(found.moved, Some(Err("pre-receive hook declined".to_owned())));
        assert!(found.messages[0].starts_with("GitLab: You are not allowed"));
        assert!(report(&bytes[..bytes.len() - 6], "refs/heads/main", true).is_err());
        assert!(report(b"0000", "refs/heads/main", true).is_err());
    }

    #[test]
    fn an_advertisement_is_whole_or_an_error() {
        let one = "1111111111111111111111111111111111111111";
        let mut bytes = Vec::new();
        packet::line(&mut bytes, "# service=git-receive-pack\n");
        packet::flush(&mut bytes);
        packet::line(
            &mut bytes,
            &format!("{one} refs/heads/main\0report-status side-band-64k\n"),
        );
        packet::line(&mut bytes, &format!("{one} .have\n"));
        assert!(advertised(&bytes).is_err(), "it has no end");
        packet::flush(&mut bytes);
        let found = advertised(&bytes).unwrap();
        assert!(found.has("report-status") && found.has("side-band-64k"));
        assert_eq!((found.refs.len(), found.known.len()), (1, 2));
        let mut empty = Vec::new();
        packet::line(
            &mut empty,
            &format!("{} capabilities^{{}}\0report-status\n", Oid::ZERO),
        );
        packet::flush(&mut empty);
        assert!(advertised(&empty).unwrap().refs.is_empty());
    }
}
