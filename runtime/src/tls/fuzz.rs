//! What holds for any bytes in the place of a ClientHello: the body of a fuzz target (see [`crate::fuzzing`]).

use super::hello::{ALPN, Assembler, Hello, Progress, SERVER_NAME, SIGNATURE_ALGORITHMS, SUPPORTED_VERSIONS};
use crate::fuzzing::{Choices, pieces};

fn read(bytes: &[u8], sizes: &[u8]) -> Progress {
    let mut assembler = Assembler::default();
    for piece in pieces(bytes, sizes) {
        match assembler.push(piece) {
            Progress::More => {}
            end => return end,
        }
    }
    Progress::More
}

fn vector(length_bytes: usize, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u32).to_be_bytes();
    [&length[4 - length_bytes..], content].concat()
}

/// A ClientHello with extensions of any content, so that chance need not find the lengths around them.
fn built(choices: &mut Choices<'_>) -> Vec<u8> {
    let ciphers = choices.bytes();
    let mut extensions = Vec::new();
    while !choices.is_empty() && extensions.len() < 8000 {
        let content = match choices.below(8) {
            0 => (SERVER_NAME, vector(2, &[&[0], &*vector(2, choices.bytes())].concat())),
            1 => (ALPN, vector(2, &[vector(1, choices.bytes()), vector(1, choices.bytes())].concat())),
            2 => (SIGNATURE_ALGORITHMS, vector(2, choices.bytes())),
            3 => (SUPPORTED_VERSIONS, vector(1, choices.bytes())),
            4 => (SUPPORTED_VERSIONS, vector(1, &[3, 4, 3, 3])),
            5 => (10, vector(2, &[0, 29, 0, 23])),
            6 => (choices.number() as u16, choices.bytes().to_vec()),
            _ => (choices.one_of(&[SERVER_NAME, ALPN, SIGNATURE_ALGORITHMS, 51]), choices.bytes().to_vec()),
        };
        extensions.extend_from_slice(&content.0.to_be_bytes());
        extensions.extend_from_slice(&vector(2, &content.1));
    }
    let body =
        [&[3, 3][..], &[9; 32], &vector(1, &[8; 32]), &vector(2, ciphers), &[1, 0], &vector(2, &extensions)].concat();
    let message = [&[1], &*vector(3, &body)].concat();
    message.chunks(4000).flat_map(|part| [&[22, 3, 1], &*vector(2, part)].concat()).collect()
}

/// What rustls reads of a hello that it takes; `None` for others.
fn by_rustls(bytes: &[u8]) -> Option<Hello> {
    let mut acceptor = rustls::server::Acceptor::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        if acceptor.read_tls(&mut rest).ok()? == 0 {
            return None;
        }
        if let Some(accepted) = acceptor.accept().ok()? {
            let hello = accepted.client_hello();
            return Some(Hello {
                ciphers: hello.cipher_suites().iter().map(|suite| u16::from(*suite)).collect(),
                signatures: hello.signature_schemes().iter().map(|scheme| u16::from(*scheme)).collect(),
                alpn: hello.alpn().into_iter().flatten().map(<[u8]>::to_vec).collect(),
                name: hello.server_name().map(str::to_owned),
                ..Hello::default()
            });
        }
    }
    None
}

/// ClientHello facts and JA4: cuts change nothing, a fingerprint has its form, and where rustls takes a hello,
/// both read the same.
pub fn client_hello(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let is_built = choices.flag();
    let sizes = choices.bytes();
    let stream = if is_built { built(&mut choices) } else { choices.rest().to_vec() };
    let whole = read(&stream, &[255]);
    assert_eq!(read(&stream, sizes), whole, "cuts change nothing");
    if let Progress::Whole(hello) = &whole {
        let ja4 = hello.ja4();
        assert!(ja4.len() == 36 && ja4.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{ja4}");
        let mut shuffled = hello.clone();
        shuffled.ciphers.reverse();
        shuffled.extensions.reverse();
        assert_eq!(shuffled.ja4(), ja4, "a client that shuffles stays one client");
        assert!(hello.asked_name().is_none_or(|name| name.is_ascii() && name.to_ascii_lowercase() == name));
    }
    if let Some(known) = by_rustls(&stream) {
        let Progress::Whole(hello) = whole else { panic!("rustls reads {known:?}, we read {whole:?}") };
        assert_eq!(hello.ciphers, known.ciphers);
        assert_eq!(hello.signatures, known.signatures);
        assert_eq!(hello.alpn, known.alpn);
        if let Some(name) = known.asked_name() {
            assert_eq!(hello.asked_name(), Some(name));
        }
    }
}
