//! Reading: `git-upload-pack`, version 2 of the protocol.

use std::collections::BTreeSet;

use bytes::Bytes;
use reqwest::Response;
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use super::packet::{self, Packet, Reader};
use super::{AGENT, Ask, Remote};
use crate::host::net::{Content, Fault};
use crate::host::{HostError, Refs};
use crate::oid::Oid;
use crate::repo::{Incoming, Mirror, RepoError, transfer};

const REQUEST: &str = "application/x-git-upload-pack-request";
const RESULT: &str = "application/x-git-upload-pack-result";

/// How many commits are named that are here already.
const HAVES: usize = 256;
/// How often a fetch begins anew where references move meanwhile.
const ROUNDS: usize = 3;

/// What a part of the answer brought.
enum Step {
    Data(Bytes),
    Message(String),
    Nothing,
    End,
}

impl Remote<'_> {
    /// Returns the branches and tags.
    pub(crate) async fn refs(&self) -> Result<Refs, HostError> {
        const ACTION: &str = "read the references of";
        let mut body = command("ls-refs");
        packet::delimiter(&mut body);
        packet::line(&mut body, "ref-prefix refs/heads/\n");
        packet::line(&mut body, "ref-prefix refs/tags/\n");
        packet::flush(&mut body);
        let total = self.net.options().total;
        let reply = self.upload(body, false, total).await;
        let reply = reply.map_err(|fault| self.fault(ACTION, fault))?;
        let Content::Whole(bytes) = self.content(ACTION, reply, RESULT)? else {
            return Err(self.strange(ACTION, "it has no content"));
        };
        listed(&bytes).map_err(|fault| self.fault(ACTION, fault))
    }

    async fn upload(
        &self,
        body: Vec<u8>,
        streams: bool,
        total: std::time::Duration,
    ) -> Result<crate::host::net::Reply, Fault> {
        self.ask(Ask {
            at: &["git-upload-pack"],
            query: None,
            body: Some((REQUEST, body.into())),
            headers: vec![("accept", RESULT), ("git-protocol", "version=2")],
            repeatable: true,
            streams,
            total,
        })
        .await
    }

    /// Brings branches and tags into `mirror`.
    pub(crate) async fn fetch(&self, mirror: &Mirror) -> Result<Refs, HostError> {
        let deadline = self.deadline();
        let mut round = 1;
        loop {
            let refs = self.refs().await?;
            match self.bring(mirror, &refs, deadline).await {
                Ok(()) => {
                    mirror
                        .set_refs(refs.clone())
                        .await
                        .map_err(|source| self.mirror("fetching", source))?;
                    return Ok(refs);
                }
                // A reference that has moved since it was listed may lead to an object that is gone.
                Err(error) if round < ROUNDS && is_gone(&error) => round += 1,
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn mirror(&self, action: &str, source: RepoError) -> HostError {
        HostError::Mirror {
            action: format!("{action} {}", self.what()),
            source,
        }
    }

    /// Brings what `refs` reach.
    async fn bring(&self, mirror: &Mirror, refs: &Refs, deadline: Instant) -> Result<(), HostError> {
        const ACTION: &str = "fetch";
        let tips: BTreeSet<Oid> = refs.values().copied().collect();
        let (wants, haves) = mirror
            .with("comparing references", move |repo| {
                Ok((transfer::missing(repo, &tips)?, transfer::haves(repo, HAVES)?))
            })
            .await
            .map_err(|source| self.mirror("fetching", source))?;
        if wants.is_empty() {
            return Ok(());
        }
        let mut body = command("fetch");
        packet::delimiter(&mut body);
        packet::line(&mut body, "ofs-delta\n");
        if self.watcher.is_none() {
            packet::line(&mut body, "no-progress\n");
        }
        wants
            .iter()
            .for_each(|id| packet::line(&mut body, &format!("want {id}\n")));
        haves
            .iter()
            .for_each(|id| packet::line(&mut body, &format!("have {id}\n")));
        packet::line(&mut body, "done\n");
        packet::flush(&mut body);
        let total = deadline.saturating_duration_since(Instant::now());
        let reply = self.upload(body, true, total).await;
        let reply = reply.map_err(|fault| self.fault(ACTION, fault))?;
        let Content::Stream(response) = self.content(ACTION, reply, RESULT)? else {
            return Err(self.strange(ACTION, "it has no content"));
        };
        // The mirror is not locked while the network is waited for.
        let incoming = Incoming::new(mirror.dir());
        self.receive(*response, &incoming, deadline).await?;
        mirror
            .with("reading a pack", move |repo| incoming.absorb(repo))
            .await
            .map_err(|source| self.mirror("fetching", source))
    }

    /// Reads the answer, and writes the pack to a file.
    async fn receive(
        &self,
        mut response: Response,
        incoming: &Incoming,
        deadline: Instant,
    ) -> Result<(), HostError> {
        const ACTION: &str = "fetch";
        let limit = self.net.options().fetch_bytes;
        let failed = |error| self.mirror("fetching", incoming.failed(error));
        let fault = |fault| self.fault(ACTION, fault);
        let mut file = tokio::fs::File::create(incoming.path()).await.map_err(failed)?;
        let mut reader = Reader::default();
        let (mut in_pack, mut bytes) = (false, 0u64);
        while let Some(part) = self.net.part(&mut response, deadline).await.map_err(fault)? {
            reader.feed(&part);
            while let Some(packet) = reader.take().map_err(fault)? {
                match step(packet, &mut in_pack).map_err(fault)? {
                    Step::Data(data) => {
                        bytes += data.len() as u64;
                        if bytes > limit {
                            let why = format!("it has more than {limit} bytes, the most that is fetched");
                            return Err(HostError::invalid(self.what(), why));
                        }
                        file.write_all(&data).await.map_err(failed)?;
                        self.tell(bytes, None);
                    }
                    Step::Message(message) => self.tell(bytes, Some(message)),
                    Step::Nothing => {}
                    Step::End => return file.flush().await.map_err(failed),
                }
            }
        }
        Err(self.strange(ACTION, "it breaks off"))
    }
}

fn step(packet: Packet, in_pack: &mut bool) -> Result<Step, Fault> {
    let line = match packet {
        Packet::Line(line) => line,
        Packet::Flush | Packet::End if *in_pack => return Ok(Step::End),
        Packet::Flush | Packet::End => return Err(Fault::Strange("it has no pack".to_owned())),
        Packet::Delimiter => return Ok(Step::Nothing),
    };
    if !*in_pack {
        packet::complaint(&line)?;
        *in_pack = packet::text(&line) == "packfile";
        return Ok(Step::Nothing);
    }
    match line.first() {
        Some(1) => Ok(Step::Data(line.slice(1..))),
        Some(2) => Ok(Step::Message(packet::clean(&line[1..]))),
        Some(3) => Err(Fault::Strange(format!(
            "the server says: {}",
            packet::clean(&line[1..])
        ))),
        _ => Err(Fault::Strange("a packet is on no known band".to_owned())),
    }
}

fn is_gone(error: &HostError) -> bool {
    let HostError::Unreachable { source, .. } = error else {
        return false;
    };
    let strange = source.downcast_ref::<Fault>();
    matches!(strange, Some(Fault::Strange(why)) if why.contains("not our ref"))
}

fn command(name: &str) -> Vec<u8> {
    let mut body = Vec::new();
    packet::line(&mut body, &format!("command={name}\n"));
    packet::line(&mut body, &format!("{AGENT}\n"));
    packet::line(&mut body, "object-format=sha1\n");
    body
}

/// Reads a list of references.
fn listed(bytes: &[u8]) -> Result<Refs, Fault> {
    let mut refs = Refs::new();
    let mut ended = false;
    for packet in packet::all(bytes)? {
        match packet {
            Packet::Line(line) => {
                packet::complaint(&line)?;
                let text = packet::text(&line);
                let (id, rest) = text.split_once(' ').unwrap_or((&text, ""));
                if id.len() == 64 {
                    let why = "the repository has SHA-256 objects, which are not supported";
                    return Err(Fault::Strange(why.to_owned()));
                }
                let Ok(id) = id.parse() else {
                    let why = "it is no list of references of version 2 of the protocol";
                    return Err(Fault::Strange(why.to_owned()));
                };
                let name = rest.split(' ').next().unwrap_or_default();
                if transfer::is_mirrored(name) && git2::Reference::is_valid_name(name) {
                    refs.insert(name.to_owned(), id);
                }
            }
            Packet::Flush => ended = true,
            Packet::Delimiter | Packet::End => {}
        }
    }
    if ended {
        Ok(refs)
    } else {
        Err(Fault::Strange("it breaks off".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_whole_or_an_error() {
        let one = "1111111111111111111111111111111111111111";
        let mut bytes = Vec::new();
        packet::line(&mut bytes, &format!("{one} refs/heads/main\n"));
        packet::line(&mut bytes, &format!("{one} refs/tags/v1 peeled:{one}\n"));
        packet::line(&mut bytes, &format!("{one} refs/merge-requests/1/head\n"));
        assert!(listed(&bytes).is_err(), "it has no end");
        packet::flush(&mut bytes);
        let names: Vec<_> = listed(&bytes).unwrap().into_keys().collect();
        assert_eq!(names, ["refs/heads/main", "refs/tags/v1"]);
        assert!(listed(&bytes[..bytes.len() - 1]).is_err());
        let mut strange = Vec::new();
        packet::line(&mut strange, "# service=git-upload-pack\n");
        packet::flush(&mut strange);
        assert!(listed(&strange).is_err());
        let mut refused = Vec::new();
        packet::line(&mut refused, "ERR upload-pack: not our ref\n");
        assert!(listed(&refused).unwrap_err().to_string().contains("not our ref"));
    }
}
