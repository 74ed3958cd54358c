//! TLS over a real listener: encrypted calls, renewal while running, mutual TLS, open addresses.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use haechi_serving::TokenFile;
use haechi_testkit::{Era, Server, TestEnv};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::serving::{SERVER, STATELESS_HEADERS, stateless_call};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for `localhost` of `authority`, with its key.
fn issue(authority: &Authority) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (parameters.signed_by(&key, authority).unwrap(), key)
}

fn install(env: &TestEnv, authority: &Authority) -> Vec<u8> {
    let (certificate, key) = issue(authority);
    env.write("tls/key.pem", key.serialize_pem());
    env.write("tls/cert.pem", certificate.pem());
    certificate.der().to_vec()
}

fn serve(env: &TestEnv, settings: &str, address: &str) -> (Server, u16) {
    env.write("haechi.toml", format!("[tls]\ncertificate = \"tls/cert.pem\"\nkey = \"tls/key.pem\"\n{settings}"));
    let mut command = env.command(SERVER);
    command.args(["serve", "--http", address]);
    let server = Server::start_silent(&mut command, Era::Stateless);
    let line = server.wait_for_log("listening on https://");
    let port = line.trim_end_matches("/mcp").rsplit(':').next().unwrap().parse().unwrap();
    (server, port)
}

/// One call over TLS, with a certificate of the caller's own where `identity` has one. Answers the
/// text of the answer and the certificate that the server showed.
fn call(
    authority: &Authority,
    port: u16,
    identity: Option<(rcgen::Certificate, KeyPair)>,
) -> std::io::Result<(String, Vec<u8>)> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
            builder.with_client_auth_cert(vec![CertificateDer::from(certificate.der().to_vec())], key).unwrap()
        }
    };
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(("127.0.0.1", port))?);
    let body = stateless_call("안녕");
    let mut request = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\nContent-Type: application/json\r\n\
        Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in STATELESS_HEADERS {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let shown = stream.conn.peer_certificates().unwrap()[0].to_vec();
    Ok((answer, shown))
}

#[test]
fn calls_are_encrypted_and_a_renewed_certificate_is_taken_up() {
    let (env, authority) = (TestEnv::new(), authority());
    let first = install(&env, &authority);
    let (_server, port) = serve(&env, "", "127.0.0.1:0");
    let (answer, shown) = call(&authority, port, None).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("안녕"), "{answer}");
    assert_eq!(shown, first);

    // Half of a renewal: a key that does not fit the certificate leaves the old pair in service.
    let (_, foreign) = issue(&authority);
    env.write("tls/key.pem", foreign.serialize_pem());
    assert_eq!(call(&authority, port, None).unwrap().1, first);

    let second = install(&env, &authority);
    assert_eq!(call(&authority, port, None).unwrap().1, second);
}

#[test]
fn mutual_tls_admits_only_clients_of_the_named_authority() {
    let (env, authority, clients) = (TestEnv::new(), authority(), self::authority());
    install(&env, &authority);
    env.write("tls/clients.pem", clients.pem());
    let (_server, port) = serve(&env, "client_authorities = \"tls/clients.pem\"\n", "127.0.0.1:0");
    assert!(call(&authority, port, None).is_err());
    assert!(call(&authority, port, Some(issue(&authority))).is_err(), "a certificate of another authority");
    let (answer, _) = call(&authority, port, Some(issue(&clients))).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn an_open_address_needs_both_tokens_and_tls() {
    let (env, authority) = (TestEnv::new(), authority());
    install(&env, &authority);
    TokenFile::default().write(&env.work().join("tokens.toml")).unwrap();
    let tokens = "[access]\ntokens = \"tokens.toml\"\n";
    let tls = "[tls]\ncertificate = \"tls/cert.pem\"\nkey = \"tls/key.pem\"\n";
    for settings in [tokens, tls] {
        env.write("haechi.toml", settings);
        let finished = env.run(SERVER, ["serve", "--http", "0.0.0.0:0"]).expect_code(7);
        assert!(finished.stderr.contains("access.tokens"), "{finished}");
    }
    let (_server, port) = serve(&env, tokens, "0.0.0.0:0");
    let (answer, _) = call(&authority, port, None).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[test]
fn authorities_without_a_certificate_are_no_mutual_tls() {
    let env = TestEnv::new();
    env.write("haechi.toml", "[tls]\nclient_authorities = \"clients.pem\"\n");
    let finished = env.run(SERVER, ["serve", "--http", "127.0.0.1:0"]).expect_code(2);
    assert!(finished.stderr.contains("tls.certificate"), "{finished}");
    // Over stdio none of it is used, so none of it is read.
    let _ = env.run(SERVER, []).expect_code(0);
}

#[test]
fn files_that_do_not_fit_are_refused_at_the_start() {
    let (env, authority) = (TestEnv::new(), authority());
    install(&env, &authority);
    let (_, foreign) = issue(&authority);
    env.write("tls/key.pem", foreign.serialize_pem());
    env.write("haechi.toml", "[tls]\ncertificate = \"tls/cert.pem\"\nkey = \"tls/key.pem\"\n");
    let finished = env.run(SERVER, ["serve", "--http", "127.0.0.1:0"]).expect_code(2);
    assert!(finished.stderr.contains("TLS 파일을 쓸 수 없습니다"), "{finished}");
    assert!(!finished.stderr.contains("PRIVATE"), "{finished}");
}
