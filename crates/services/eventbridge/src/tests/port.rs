//! The door for other services.

use hearth_ports::{EventBusError, EventSink as _, ServiceEvent};
use hearth_types::RequestId;

use super::*;
use crate::EventBuses;

fn event(source: &str) -> ServiceEvent {
    ServiceEvent {
        source: source.to_owned(),
        detail_type: "Object Created".to_owned(),
        resources: vec!["arn:aws:s3:::b".to_owned()],
        detail: r#"{"key":"k"}"#.to_owned(),
        time_ms: Some(0),
        trace: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_tells_the_default_bus_and_nobody_is_asked() {
    let server = Server::start().await;
    server.ok("PutRule", json!({"Name": "r", "EventPattern": r#"{"source":["aws.s3"]}"#})).await;
    server.ok("PutTargets", json!({"Rule": "r", "Targets": [{"Id": "q", "Arn": QUEUE}]})).await;
    *server.policies.denied.lock() = Some("events:PutEvents");
    let ctx = RequestContext::service(&scope(), "s3.amazonaws.com", RequestId::from("r"));
    let ids = EventBuses(server.events.clone()).emit(&ctx, vec![event("aws.s3"), event("aws.s3")]).await.expect("ids");
    server.settle().await;
    let bodies = server.receivers.sent_to(QUEUE);
    assert_eq!((ids.len(), bodies.len()), (2, 2));
    let body: Value = serde_json::from_str(&bodies[0]).expect("JSON");
    let expected = json!({
        "version": "0", "id": body["id"], "detail-type": "Object Created", "source": "aws.s3", "account": "000000000000",
        "time": "1970-01-01T00:00:00Z", "region": "us-east-1", "resources": ["arn:aws:s3:::b"], "detail": {"key": "k"},
    });
    assert_eq!(body, expected);
    let broken = ServiceEvent { detail: "x".to_owned(), ..event("aws.s3") };
    let refused = EventBuses(server.events.clone()).emit(&ctx, vec![broken]).await;
    assert_eq!(refused, Err(EventBusError::Invalid { message: "Detail is malformed.".to_owned() }));
}

#[tokio::test(start_paused = true)]
async fn whoever_puts_events_on_a_bus_by_its_arn_is_asked() {
    let server = Server::start().await;
    let ctx = RequestContext::service(&scope(), "lambda.amazonaws.com", RequestId::from("r"));
    let (buses, bus) = (EventBuses(server.events.clone()), BUS.parse::<Arn>().expect("an ARN"));
    assert_eq!(buses.put(&ctx, &bus, vec![event("lambda")]).await, Err(EventBusError::NotFound));
    server.ok("CreateEventBus", json!({"Name": "b"})).await;
    assert_eq!(buses.put(&ctx, &bus, vec![event("lambda")]).await.expect("ids").len(), 1);
    let asked = server.policies.asked.lock().last().cloned().expect("asked");
    assert_eq!(asked, format!("events:PutEvents {BUS}"));
    let conditions = server.policies.conditions.lock().last().cloned();
    assert_eq!(conditions.as_deref(), Some("events:source=lambda events:detail-type=Object Created"));
    *server.policies.denied.lock() = Some("events:PutEvents");
    let denied = EventBusError::AccessDenied { message: "no events:PutEvents".to_owned() };
    assert_eq!(buses.put(&ctx, &bus, vec![event("lambda")]).await, Err(denied));
}
