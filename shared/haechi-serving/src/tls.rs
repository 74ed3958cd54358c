//! TLS for the HTTP transport, with certificates that may be renewed while the server runs.
//!
//! The handshake of a connection runs in a task of its own with a time limit, so that a client
//! that never finishes one keeps nobody else waiting.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use haechi_contract::{Code, Problem};
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a client may take for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections that finished their handshake and wait to be taken up.
const READY_MAX: usize = 64;

/// The section `[tls]` of the settings; paths are relative to the settings file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TlsSettings {
    /// The certificate chain as PEM.
    pub(crate) certificate: Option<PathBuf>,
    /// Its private key as PEM.
    pub(crate) key: Option<PathBuf>,
    /// Authorities whose clients alone may connect (mutual TLS), as PEM.
    pub(crate) client_authorities: Option<PathBuf>,
}

/// The configuration that `settings` describe, or `None` where they name no certificate.
///
/// # Errors
///
/// Files that cannot be read or do not fit together.
pub(crate) fn configure(settings: &TlsSettings, base: &Path) -> Result<Option<ServerConfig>, Problem> {
    let (certificate, key) = match (&settings.certificate, &settings.key) {
        (None, None) if settings.client_authorities.is_some() => {
            return Err(Problem::new(Code::InvalidSettings, "tls.client_authorities만 있고 인증서가 없습니다")
                .with_hint("tls.certificate와 tls.key를 함께 적으십시오"));
        }
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (base.join(certificate), base.join(key)),
        _ => {
            return Err(Problem::new(Code::InvalidSettings, "tls.certificate와 tls.key는 함께 적어야 합니다")
                .with_hint("둘 다 적거나 둘 다 지우십시오"));
        }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|_| Problem::internal())?;
    let builder = match &settings.client_authorities {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let path = base.join(path);
            let mut roots = RootCertStore::empty();
            for authority in certificates(&path)? {
                roots.add(authority).map_err(|_| unusable(&path))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|_| unusable(&path))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let resolver = Renewing::open(certificate, key)?;
    let mut config = builder.with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(config))
}

fn unusable(path: &Path) -> Problem {
    Problem::new(Code::InvalidSettings, format!("TLS 파일을 쓸 수 없습니다: {}", path.display()))
        .with_hint("PEM 형식의 인증서와 그 인증서의 개인 키인지, 읽을 권한이 있는지 확인하십시오")
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(|_| unusable(path))?.collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| unusable(path))
}

fn certified(certificate: &Path, key: &Path) -> Result<CertifiedKey, Problem> {
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|_| unusable(key))?;
    CertifiedKey::from_der(chain, private, &rustls::crypto::ring::default_provider()).map_err(|_| unusable(key))
}

/// Gives each handshake the certificate that stands in the file now.
#[derive(Debug)]
struct Renewing {
    certificate: PathBuf,
    key: PathBuf,
    kept: Mutex<(Stamps, Arc<CertifiedKey>)>,
}

impl Renewing {
    fn open(certificate: PathBuf, key: PathBuf) -> Result<Self, Problem> {
        // The stamps come first: a change in between is then noticed at the next handshake.
        let stamps = stamps(&certificate, &key);
        let first = Arc::new(certified(&certificate, &key)?);
        let kept = Mutex::new((stamps, first));
        Ok(Self { certificate, key, kept })
    }
}

impl ResolvesServerCert for Renewing {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamps(&self.certificate, &self.key);
        if kept.0 != now {
            // The two files are renewed one after the other; until they fit, the old pair serves.
            match certified(&self.certificate, &self.key) {
                Ok(renewed) => {
                    tracing::info!("the certificate was renewed");
                    *kept = (now, Arc::new(renewed));
                }
                Err(_) => tracing::warn!("the renewed certificate and key do not fit; the old ones serve on"),
            }
        }
        Some(kept.1.clone())
    }
}

/// When the certificate and the key were changed, and how long they are.
type Stamps = [Option<(SystemTime, u64)>; 2];

fn stamps(certificate: &Path, key: &Path) -> Stamps {
    [certificate, key].map(crate::files::stamp)
}

/// Connections whose handshake is done.
pub(crate) struct TlsListener {
    ready: Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl TlsListener {
    /// Takes over `listener`.
    ///
    /// # Errors
    ///
    /// A listener without an address.
    pub(crate) fn new(listener: TcpListener, config: ServerConfig) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (sender, ready) = channel(READY_MAX);
        tokio::spawn(async move {
            loop {
                let (stream, peer) = tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok(accepted) => accepted,
                        Err(error) => {
                            // Out of descriptors: others must close before trying again makes sense.
                            tracing::warn!(kind = %error.kind(), "a connection was not accepted");
                            tokio::time::sleep(Duration::from_millis(100)).await;
                            continue;
                        }
                    },
                    () = sender.closed() => return,
                };
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                        Ok(Ok(stream)) => drop(sender.send((stream, peer)).await),
                        Ok(Err(error)) => tracing::debug!(kind = %error.kind(), "a handshake failed"),
                        Err(_) => tracing::debug!("a handshake took too long"),
                    }
                });
            }
        });
        Ok(Self { ready, address })
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(ready) => ready,
            // The accepting task ended, which happens only when the runtime does.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}
