//! What was put is told of once, packed or not, after a kill or not, until it is too old.

use hearth_ports::metrics::lambda;
use hearth_ports::{MetricSink as _, Unit};

use super::{NOW_MS, World, ctx, datum, key, scope};
use crate::limits::{DAY_MS, HOUR_MS};
use crate::read::Window;
use crate::series::{MetricKey, Resolution};

const MINUTE_MS: i64 = 60_000;

/// Sum and number of all of a metric's values in the last days.
async fn total(world: &World, key: &MetricKey, days: i64, period_s: i64) -> (f64, f64) {
    let window = Window::new(NOW_MS - days * DAY_MS, NOW_MS + HOUR_MS, period_s, NOW_MS);
    let found = world.cloudwatch.read(&scope(), key, None, window).await.expect("reads");
    let points = found.values().flat_map(|points| points.values());
    points.fold((0.0, 0.0), |(sum, count), point| (sum + point.sum, count + point.count))
}

#[tokio::test]
async fn what_was_put_is_there_once_in_every_period_packed_or_not() {
    let mut world = World::new().await;
    let data = (0..200).map(|minute| datum("a", minute * MINUTE_MS, 2.0)).collect();
    world.cloudwatch.write(&scope(), data).await.expect("written");
    let expected = (400.0, 200.0);
    for round in ["in the journal", "after a kill", "packed", "packed, after a kill"] {
        for period_s in [60, 300, 3_600, 86_400] {
            assert_eq!(total(&world, &key("a"), 1, period_s).await, expected, "{round}, {period_s}");
        }
        match round {
            "in the journal" | "packed" => world.again().await,
            _ => world.cloudwatch.pack().await.expect("packed"),
        }
    }
}

#[tokio::test]
async fn a_pass_of_the_packer_that_is_cut_off_counts_nothing_twice() {
    let mut world = World::new().await;
    world.cloudwatch.write(&scope(), vec![datum("a", 0, 1.0), datum("b", 0, 10.0)]).await.expect("written");
    // One of the two is packed, and the journal is still there.
    let mut left: Vec<u64> = vec![1];
    world.cloudwatch.pack_some(&scope(), &mut left).await.expect("packed");
    world.again().await;
    assert_eq!(total(&world, &key("a"), 1, 60).await, (1.0, 1.0));
    assert_eq!(total(&world, &key("b"), 1, 60).await, (10.0, 1.0));
    world.cloudwatch.write(&scope(), vec![datum("a", 0, 1.0)]).await.expect("written");
    world.cloudwatch.pack().await.expect("packed");
    world.again().await;
    assert_eq!(total(&world, &key("a"), 1, 60).await, (2.0, 2.0));
    assert_eq!(total(&world, &key("b"), 1, 60).await, (10.0, 1.0));
}

#[tokio::test]
async fn data_grows_coarser_with_its_age_and_goes_at_the_end() {
    let world = World::new().await;
    world.cloudwatch.write(&scope(), vec![datum("a", DAY_MS, 1.0)]).await.expect("written");
    world.cloudwatch.pack().await.expect("packed");
    for (later_days, has_minutes, has_hours, is_known) in
        [(1, true, true, true), (20, false, true, true), (500, false, false, false)]
    {
        world.clock.advance(later_days * DAY_MS);
        world.cloudwatch.expire().await.expect("expires");
        assert_eq!(total(&world, &key("a"), 2, 60).await.1 > 0.0, has_minutes, "{later_days} days on, by minute");
        assert_eq!(total(&world, &key("a"), 2, 3_600).await.1 > 0.0, has_hours, "{later_days} days on, by hour");
        let places = world.cloudwatch.places.lock();
        assert_eq!(places[&scope()].metrics.contains_key(&key("a")), is_known, "{later_days} days on");
    }
}

#[tokio::test]
async fn ids_of_metrics_that_are_gone_are_not_given_again() {
    let mut world = World::new().await;
    world.cloudwatch.write(&scope(), vec![datum("a", 0, 1.0)]).await.expect("written");
    world.cloudwatch.pack().await.expect("packed");
    world.clock.advance(600 * DAY_MS);
    world.cloudwatch.expire().await.expect("expires");
    world.again().await;
    world.cloudwatch.write(&scope(), vec![datum("b", 0, 1.0)]).await.expect("written");
    assert_eq!(world.cloudwatch.places.lock()[&scope()].find(&key("b"), Unit::Count), Some(2));
}

#[tokio::test]
async fn meters_write_to_all_their_dimensions_and_try_again() {
    let world = World::new().await;
    let sets = vec![lambda::of_region(), lambda::of_function("f")];
    let meter = world.cloudwatch.meter(&ctx(), sets.clone());
    meter.record(NOW_MS, &[(&lambda::INVOCATIONS, 1.0), (&lambda::DURATION, 12.5)]);
    world.store.is_down.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(world.cloudwatch.flush().await.is_err());
    world.store.is_down.store(false, std::sync::atomic::Ordering::SeqCst);
    world.cloudwatch.meter(&ctx(), sets).record(NOW_MS, &[(&lambda::INVOCATIONS, 1.0)]);
    world.cloudwatch.flush().await.expect("written");
    for dimensions in [lambda::of_region(), lambda::of_function("f")] {
        let of = |name: &str| MetricKey::new(lambda::NAMESPACE, name, dimensions.clone());
        assert_eq!(total(&world, &of("Invocations"), 1, 60).await, (2.0, 2.0));
        assert_eq!(total(&world, &of("Duration"), 1, 60).await, (12.5, 1.0));
    }
    let page = world.cloudwatch.prometheus(&scope());
    assert!(page.contains("aws_lambda_invocations_sum{function_name=\"f\"} 2\n"), "{page}");
    assert!(page.contains("aws_lambda_invocations_sum 2\n"), "{page}");
}

#[tokio::test]
async fn seconds_are_told_apart_for_a_while() {
    let world = World::new().await;
    let mut data = vec![datum("a", 10_000, 1.0), datum("a", 9_000, 2.0)];
    data.iter_mut().for_each(|datum| datum.resolution = Resolution::Second);
    world.cloudwatch.write(&scope(), data).await.expect("written");
    for is_packed in [false, true] {
        let window = Window::new(NOW_MS - MINUTE_MS, NOW_MS, 1, NOW_MS);
        let found = world.cloudwatch.read(&scope(), &key("a"), None, window).await.expect("reads");
        let seconds: Vec<(i64, f64)> =
            found[&Unit::Count].iter().map(|(at, point)| (at - NOW_MS / 1_000, point.sum)).collect();
        assert_eq!(seconds, [(-10, 1.0), (-9, 2.0)], "packed: {is_packed}");
        assert_eq!(total(&world, &key("a"), 1, 60).await, (3.0, 2.0));
        world.cloudwatch.pack().await.expect("packed");
    }
}
