//! The crate suppaftp against a server: VERSION CERTIFICATE ADDRESS USER PASSWORD. It verifies the
//! certificate as rustls does, and resumes the control connection's session on data connections, with each
//! ticket once.

use std::io::Cursor;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use suppaftp::types::FileType;
use suppaftp::{FtpError, RustlsConnector, RustlsFtpStream};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [version, certificate, address, user, password] = &arguments[..] else {
        return Err("VERSION CERTIFICATE ADDRESS USER PASSWORD".into());
    };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate)?)?;
    let versions = if version == "1.2" { [&rustls::version::TLS12] } else { [&rustls::version::TLS13] };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = RustlsConnector::from(Arc::new(config));
    let mut ftp = RustlsFtpStream::connect(address)?.into_secure(connector, "localhost")?;
    ftp.login(user.as_str(), password.as_str())?;
    ftp.transfer_type(FileType::Binary)?;
    assert!(ftp.feat()?.contains_key("MLST"));
    ftp.mkdir("rust")?;
    ftp.cwd("rust")?;
    assert_eq!(ftp.pwd()?, "/rust");
    for size in [0, 1, 3_000_000] {
        let sent = vec![b'r'; size];
        assert_eq!(ftp.put_file("file", &mut Cursor::new(&sent))?, size as u64);
        assert!(ftp.retr_as_buffer("file")?.into_inner() == sent, "{size} bytes come back");
        assert_eq!(ftp.size("file")?, size);
        assert_eq!(ftp.nlst(None)?, ["file"]);
        assert_eq!(ftp.list(None)?.len(), 1);
        assert_eq!(ftp.mlsd(None)?.len(), 1);
    }
    ftp.mdtm("file")?;
    ftp.append_file("file", &mut Cursor::new(b"more"))?;
    ftp.resume_transfer(3_000_000)?;
    assert_eq!(ftp.retr_as_buffer("file")?.into_inner(), b"more");

    // Too large to be under way as a whole: suppaftp waits for one reply where a finished transfer has two.
    ftp.put_file("large", &mut Cursor::new(vec![b'r'; 60_000_000]))?;
    let mut broken_off = ftp.retr_as_stream("large")?;
    std::io::Read::read(&mut broken_off, &mut [0; 100])?;
    ftp.abort(broken_off)?;
    ftp.noop()?;
    ftp.rm("large")?;

    ftp.rename("file", "moved")?;
    ftp.rm("moved")?;
    match ftp.rm("moved") {
        Err(FtpError::UnexpectedResponse(no)) if no.status == suppaftp::Status::FileUnavailable => {}
        other => return Err(format!("a file that is not there: {other:?}").into()),
    }
    ftp.cdup()?;
    ftp.rmdir("rust")?;
    ftp.quit()?;
    println!("suppaftp is content");
    Ok(())
}
