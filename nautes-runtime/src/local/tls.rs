//! The certificate authority of a cluster and the certificate of its server.

use std::{io::Write as _, path::Path, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject as _};

/// What went wrong with certificates.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate cannot be made.
    #[error("cannot make the certificates of the local cluster")]
    Make(#[from] rcgen::Error),
    /// The files cannot be read or written.
    #[error("cannot keep the certificates of the local cluster")]
    Files(#[from] std::io::Error),
    /// The kept certificates do not work.
    #[error("cannot use the certificates of the local cluster")]
    Use(#[from] rustls::Error),
    /// A kept file is no PEM file.
    #[error("cannot read the kept certificate file {0}")]
    Pem(&'static str),
}

/// What a server needs to be trusted.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) ca_pem: String,
    pub(crate) config: Arc<rustls::ServerConfig>,
}

struct Files {
    ca: String,
    cert: String,
    key: String,
}

/// Reads the certificates of a folder, or makes them (and keeps them there, where there is a folder).
pub(crate) fn identity(folder: Option<&Path>, name: &str) -> Result<Identity, TlsError> {
    let files = match folder {
        Some(folder) => match read(folder)? {
            Some(files) => files,
            None => {
                let files = make(name)?;
                keep(folder, &files)?;
                files
            }
        },
        None => make(name)?,
    };
    let cert = CertificateDer::from_pem_slice(files.cert.as_bytes()).map_err(|_| TlsError::Pem("tls.crt"))?;
    let ca = CertificateDer::from_pem_slice(files.ca.as_bytes()).map_err(|_| TlsError::Pem("ca.crt"))?;
    let key =
        PrivatePkcs8KeyDer::from_pem_slice(files.key.as_bytes()).map_err(|_| TlsError::Pem("tls.key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert, ca], key.into())?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Identity {
        ca_pem: files.ca,
        config: Arc::new(config),
    })
}

fn make(name: &str) -> Result<Files, TlsError> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.distinguished_name = named(&format!("{name} local cluster CA"));
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let ca_cert = ca.self_signed(&ca_key)?;
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(["localhost", "127.0.0.1", "::1"].map(str::to_owned))?;
    params.distinguished_name = named(&format!("{name} local cluster"));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let cert = params.signed_by(&key, &issuer)?;
    Ok(Files {
        ca: ca_cert.pem(),
        cert: cert.pem(),
        key: key.serialize_pem(),
    })
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn read(folder: &Path) -> Result<Option<Files>, TlsError> {
    let file = |name: &str| match std::fs::read_to_string(folder.join(name)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    Ok(match (file("ca.crt")?, file("tls.crt")?, file("tls.key")?) {
        (Some(ca), Some(cert), Some(key)) => Some(Files { ca, cert, key }),
        _ => None,
    })
}

fn keep(folder: &Path, files: &Files) -> Result<(), TlsError> {
    std::fs::create_dir_all(folder)?;
    write_private(&folder.join("tls.key"), files.key.as_bytes())?;
    write_private(&folder.join("tls.crt"), files.cert.as_bytes())?;
    // Written last: a folder without it is begun anew.
    write_private(&folder.join("ca.crt"), files.ca.as_bytes())?;
    Ok(())
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let part = path.with_extension("part");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(part, path)
}
