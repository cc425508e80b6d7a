//! Until when certificates are valid.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A certificate, as far as it is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is.
    pub subject: String,
    /// Who issued it.
    pub issuer: String,
    /// From when it is valid.
    pub from: Timestamp,
    /// Until when it is valid.
    pub until: Timestamp,
}

impl Certificate {
    /// Reads one; `None` where it is none.
    #[must_use]
    pub fn of(der: &[u8]) -> Option<Self> {
        let (_, read) = X509Certificate::from_der(der).ok()?;
        let time = |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp()).ok();
        Some(Self {
            subject: clean(&read.subject().to_string()),
            issuer: clean(&read.issuer().to_string()),
            from: time(read.validity().not_before)?,
            until: time(read.validity().not_after)?,
        })
    }
}

fn clean(name: &str) -> String {
    let name = if name.is_empty() { "(no name)" } else { name };
    name.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(120)
        .collect()
}

/// A file of certificates that are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The setting that names it.
    pub setting: &'static str,
    /// The file; `None` where they are within a kubeconfig.
    pub file: Option<PathBuf>,
    /// What it holds, or why that is not known.
    pub held: Result<Vec<Certificate>, String>,
}

impl Bundle {
    /// Reads one from a file, and returns the text as well.
    #[must_use]
    pub fn read(setting: &'static str, file: &Path) -> (Self, Option<Vec<u8>>) {
        let (held, pem) = match std::fs::read(file) {
            Ok(pem) => (held(&pem), Some(pem)),
            Err(error) => (Err(format!("it cannot be read: {error}")), None),
        };
        let bundle = Self {
            setting,
            file: Some(file.to_owned()),
            held,
        };
        (bundle, pem)
    }

    /// Makes one of certificates that are in a kubeconfig.
    #[must_use]
    pub fn inline(setting: &'static str, certificates: &[Vec<u8>]) -> Self {
        let read: Option<Vec<Certificate>> = certificates.iter().map(|der| Certificate::of(der)).collect();
        Self {
            setting,
            file: None,
            held: read.ok_or_else(|| "it holds something that is no certificate".to_owned()),
        }
    }

    /// Says where it is, for people.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.file {
            Some(file) => format!("{} ({})", file.display(), self.setting),
            None => format!("the {}", self.setting),
        }
    }
}

fn held(pem: &[u8]) -> Result<Vec<Certificate>, String> {
    let mut all = Vec::new();
    for der in CertificateDer::pem_slice_iter(pem) {
        let der = der.map_err(|_| "it is not in PEM form".to_owned())?;
        let read = Certificate::of(&der);
        all.push(read.ok_or_else(|| "it holds something that is no certificate".to_owned())?);
    }
    if all.is_empty() {
        return Err("it holds no certificate in PEM form".to_owned());
    }
    Ok(all)
}
