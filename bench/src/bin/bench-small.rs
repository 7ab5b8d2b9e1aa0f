//! A function that answers its event, on the smallest client that can be: one connection, one write for each answer. What it
//! takes more than that is the platform's. With an argument it ends instead of asking for the first event.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// Bytes of an event with its headers; this function gets small ones.
const REPLY_BYTES_MAX: usize = 64 * 1_024;

fn main() -> io::Result<()> {
    if std::env::args_os().len() > 1 {
        return Ok(());
    }
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
    let mut stream = TcpStream::connect(&api)?;
    stream.set_nodelay(true)?;
    let next = format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {api}\r\n\r\n");
    stream.write_all(next.as_bytes())?;
    let mut buffer = Vec::with_capacity(REPLY_BYTES_MAX);
    loop {
        let (id, event) = read_event(&mut stream, &mut buffer)?;
        let answer = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: {api}\r\nContent-Length: {}\r\n\r\n{event}{next}",
            event.len()
        );
        stream.write_all(answer.as_bytes())?;
        // That it was accepted.
        read_reply(&mut stream, &mut buffer)?;
    }
}

fn read_event(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<(String, String)> {
    let (headers, event) = read_reply(stream, buffer)?;
    let id = header(&headers, "lambda-runtime-aws-request-id").ok_or_else(|| io::Error::other("no request id"))?;
    Ok((id.to_owned(), event))
}

/// Takes one reply out of the buffer, which may hold the beginning of the next one.
fn read_reply(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<(String, String)> {
    let mut part = [0; 4_096];
    loop {
        if let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let headers = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let length = header(&headers, "content-length").and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
            let whole = end + 4 + length;
            if buffer.len() >= whole {
                let body = String::from_utf8_lossy(&buffer[end + 4..whole]).into_owned();
                buffer.drain(..whole);
                return Ok((headers, body));
            }
        }
        match stream.read(&mut part)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ if buffer.len() > REPLY_BYTES_MAX => return Err(io::Error::other("the reply is too long")),
            count => buffer.extend_from_slice(&part[..count]),
        }
    }
}

fn header<'a>(headers: &'a str, name: &str) -> Option<&'a str> {
    headers.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
