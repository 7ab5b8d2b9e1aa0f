#[path = "common/server.rs"]
mod server;
use http_body_util::Full;
#[tokio::test]
async fn bench() {
    let front = server::front();
    let connection = server::connection(hearth_wire::Listener::Sandbox);
    let request = server::Signing::known("lambda").sign(server::request("POST", "/2015-03-31/functions/f/invocations", &"x".repeat(100)));
    let make = || { let mut r = http::Request::new(Full::new(request.body().clone())); *r.method_mut()=request.method().clone(); *r.uri_mut()=request.uri().clone(); *r.headers_mut()=request.headers().clone(); r };
    for _ in 0..2 {
        let n = 50_000;
        let t = std::time::Instant::now();
        for _ in 0..n { let _ = std::hint::black_box(make()); }
        let base = t.elapsed();
        let t = std::time::Instant::now();
        for _ in 0..n { let r = front.handle(&connection, make()).await; assert_eq!(r.status(), 200); }
        println!("handle {:?} per request, make {:?}", (t.elapsed()-base)/n, base/n);
    }
}
