//! A custom runtime for images without anything else in them: one static program that speaks the Runtime API by hand and
//! answers what it sees of its surroundings. An event is a JSON string: `about`, `read:PATH`, `list:PATH` or `write:PATH`.
//! Put into `/opt/extensions` it is an extension, which writes down in `/tmp/told` which events it was told of.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

fn call(api: &str, method: &str, path: &str, header: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(api).expect("the Runtime API");
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {api}\r\n{header}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).expect("a head");
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a number");
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    (head, String::from_utf8_lossy(&body).into_owned())
}

fn json(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.map(|item| json(&item)).collect::<Vec<_>>().join(","))
}

fn answer(event: &str) -> String {
    let event = event.trim().trim_matches('"');
    match event.split_once(':') {
        Some(("read", path)) => match fs::read_to_string(path) {
            Ok(text) => json(&text),
            Err(error) => format!("{{\"error\":{}}}", json(&error.to_string())),
        },
        Some(("list", path)) => match fs::read_dir(path) {
            Ok(entries) => {
                let mut names: Vec<String> =
                    entries.map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned()).collect();
                names.sort();
                list(names.into_iter())
            }
            Err(error) => format!("{{\"error\":{}}}", json(&error.to_string())),
        },
        Some(("write", path)) => match fs::write(path, "x") {
            Ok(()) => "\"written\"".to_owned(),
            Err(error) => format!("{{\"error\":{}}}", json(&error.to_string())),
        },
        _ => {
            let variables = std::env::vars().map(|(name, value)| format!("{}:{}", json(&name), json(&value)));
            format!(
                "{{\"arguments\":{},\"directory\":{},\"variables\":{{{}}}}}",
                list(std::env::args()),
                json(&std::env::current_dir().expect("directory").to_string_lossy()),
                variables.collect::<Vec<_>>().join(",")
            )
        }
    }
}

fn header(head: &str, wanted: &str) -> String {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut values = lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
    values.next().expect(wanted).1.trim().to_owned()
}

fn extend(api: &str, name: &str) {
    let path = "/2020-01-01/extension";
    let named = format!("Lambda-Extension-Name: {name}");
    let (head, _) = call(api, "POST", &format!("{path}/register"), &named, r#"{"events":["INVOKE"]}"#);
    let known = format!("Lambda-Extension-Identifier: {}", header(&head, "lambda-extension-identifier"));
    loop {
        let (_, event) = call(api, "GET", &format!("{path}/event/next"), &known, "");
        let mut told = fs::OpenOptions::new().create(true).append(true).open("/tmp/told").expect("a file");
        writeln!(told, "{event}").expect("written");
    }
}

fn main() {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").expect("in Lambda");
    if let Ok(name) = std::env::current_exe().expect("a program").strip_prefix("/opt/extensions") {
        extend(&api, &name.to_string_lossy());
    }
    let path = "/2018-06-01/runtime/invocation";
    loop {
        let (head, event) = call(&api, "GET", &format!("{path}/next"), "X: x", "");
        let id = header(&head, "lambda-runtime-aws-request-id");
        call(&api, "POST", &format!("{path}/{id}/response"), "X: x", &answer(&event));
    }
}
