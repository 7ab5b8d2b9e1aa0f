//! A function for `provided.al2023` with nothing but the standard library: it speaks the Runtime API itself.
//! Build it, call the program `bootstrap`, zip it, deploy it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

fn main() -> std::io::Result<()> {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").map_err(std::io::Error::other)?;
    let mut connection = BufReader::new(TcpStream::connect(&api)?);
    loop {
        let next = format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {api}\r\n\r\n");
        connection.get_mut().write_all(next.as_bytes())?;
        let (id, event) = read_answer(&mut connection)?;
        println!("an event of {} bytes", event.len());
        let name = text_member(&event, "name").unwrap_or("nobody");
        let body = format!(r#"{{"hello":"{name}","from":"rust"}}"#);
        let response = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: {api}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.get_mut().write_all(response.as_bytes())?;
        read_answer(&mut connection)?;
    }
}

/// The request id, if the answer carries one, and the body.
fn read_answer(connection: &mut BufReader<TcpStream>) -> std::io::Result<(String, String)> {
    let (mut id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            if line == "\r\n" {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "lambda-runtime-aws-request-id" => value.trim().clone_into(&mut id),
            "content-length" => length = value.trim().parse().map_err(std::io::Error::other)?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    String::from_utf8(body).map(|body| (id, body)).map_err(std::io::Error::other)
}

/// The value of a member without escapes: enough for an example, not a JSON parser.
fn text_member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let rest = json.split_once(&format!("\"{name}\""))?.1.split_once('"')?.1;
    rest.split_once('"').map(|(value, _)| value)
}
