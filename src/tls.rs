//! TLS to the broker and to Postgres: whom to trust, what to show, and what a refusal means.
//!
//! The server's certificate and name are always checked. Files are read for every connection, so that a certificate
//! which was renewed is used from the next connection on.

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};

/// What the operator calls the settings, for errors that say what to change.
#[derive(Debug)]
pub struct Names {
    pub ca: &'static str,
    pub cert: &'static str,
    pub key: &'static str,
}

/// The files (PEM) that a connection is made with.
#[derive(Debug, Clone)]
pub struct Files {
    pub names: &'static Names,
    /// Trusted instead of the system's certificate authorities.
    pub ca: Option<PathBuf>,
    /// Certificate and key that we show where the server asks, for mutual TLS.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A file that cannot be used; never what is in it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{setting} {}: {problem}", path.display())]
    File { setting: &'static str, path: PathBuf, problem: String },
    #[error("this system trusts no certificate authority: install its ca-certificates, or name the CA's file in {0}")]
    NoRoots(&'static str),
    #[error("TLS is not available: {0}")]
    Unavailable(rustls::Error),
}

impl Files {
    pub(crate) fn client_config(&self) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unavailable)?
            .with_root_certificates(self.roots()?);
        let Some((cert, key)) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        let chain = certificates(self.names.cert, cert)?;
        let private = private_key(self.names.key, key)?;
        builder.with_client_auth_cert(chain, private).map_err(|error| {
            let problem = format!("is not the key of the certificate in {} ({error})", cert.display());
            TlsError::File { setting: self.names.key, path: key.clone(), problem }
        })
    }

    fn roots(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        let Some(path) = &self.ca else {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            return if roots.is_empty() { Err(TlsError::NoRoots(self.names.ca)) } else { Ok(roots) };
        };
        for certificate in certificates(self.names.ca, path)? {
            roots.add(certificate).map_err(|error| TlsError::File {
                setting: self.names.ca,
                path: path.clone(),
                problem: format!("holds a certificate that is not fit for a CA ({error})"),
            })?;
        }
        Ok(roots)
    }

    /// What a failed handshake means and what to do about it; `None` where the trouble is another.
    pub(crate) fn explain(&self, error: &(dyn Error + 'static)) -> Option<String> {
        let Some(said) = find::<rustls::Error>(error) else {
            return find::<io::Error>(error).filter(|error| is_broken_off(error)).map(|error| self.explain_end(error));
        };
        Some(match said {
            rustls::Error::InvalidCertificate(why) => self.explain_certificate(why),
            rustls::Error::AlertReceived(alert) => self.explain_alert(*alert),
            rustls::Error::InvalidMessage(_) => "the server does not speak TLS at this port".to_owned(),
            other => format!("no TLS with this server: {other}"),
        })
    }

    fn explain_certificate(&self, why: &CertificateError) -> String {
        let Names { ca, .. } = self.names;
        match why {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                let trusted = match &self.ca {
                    Some(path) => format!("the one in {}", path.display()),
                    None => "one that this system trusts".to_owned(),
                };
                format!("the server's certificate is not from {trusted}: name the file of its CA's certificate in {ca}")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
                "the server's certificate is for another host: connect by a name that it was issued for ({why})"
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("the server's certificate has expired and must be renewed ({why})")
            }
            other => format!("the server's certificate is refused: {other}"),
        }
    }

    /// With TLS 1.3 a server looks at the client's certificate when the client has gone on already, so that the alert may
    /// be lost with the connection.
    fn explain_end(&self, error: &io::Error) -> String {
        let Names { cert, key, .. } = self.names;
        match &self.identity {
            None => format!(
                "the server ended the connection ({error}); it may be one that asks for a client certificate: name one, \
                 and its key, in {cert} and {key}"
            ),
            Some((path, _)) => format!(
                "the server ended the connection ({error}); it may not accept the certificate in {cert} {}",
                path.display()
            ),
        }
    }

    fn explain_alert(&self, alert: AlertDescription) -> String {
        let Names { cert, key, .. } = self.names;
        match (alert, &self.identity) {
            (AlertDescription::CertificateRequired, _) | (AlertDescription::HandshakeFailure, None) => {
                format!(
                    "the server asks for a client certificate: name one, and its key, in {cert} and {key} ({alert:?})"
                )
            }
            (_, Some((path, _))) => {
                format!("the server does not accept the certificate in {cert} {} ({alert:?})", path.display())
            }
            (_, None) => format!("the server refuses TLS: {alert:?}"),
        }
    }
}

/// The innermost error of a kind in a chain of causes.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let (mut next, mut found) = (Some(error), None);
    while let Some(error) = next {
        found = error.downcast_ref::<E>().or(found);
        // The source of an `io::Error` is the source of what it wraps, not that itself.
        next = match error.downcast_ref::<io::Error>() {
            Some(wrapper) => wrapper.get_ref().map(|wrapped| wrapped as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    found
}

fn is_broken_off(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |problem: String| TlsError::File { setting, path: path.to_owned(), problem };
    let pem = fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match read {
        Ok(certificates) if certificates.is_empty() => Err(wrong("holds no certificate; it must be PEM".to_owned())),
        Ok(certificates) => Ok(certificates),
        Err(_) => Err(wrong("is not a PEM file of certificates".to_owned())),
    }
}

fn private_key(setting: &'static str, path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let wrong = |problem: String| TlsError::File { setting, path: path.to_owned(), problem };
    let pem = fs::read(path).map_err(|error| wrong(error.to_string()))?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| wrong("must hold a private key in PEM, not encrypted".to_owned()))
}
