//! Compares servers again and again, until it is stopped.

use std::future::Future;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::compare::{View, compare};
use super::lasting::{Lasting, Moment};
use super::outcome::Outcome;
use super::report::{News, Summary, line};
use super::server::Server;
use crate::replication::ServiceUrl;
use crate::time::Clock;

/// Maximum differences, and ends of them, that are reported one by one after a comparison.
const MOST_REPORTED: usize = 50;

/// How servers are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The pause between two comparisons.
    pub(super) every: Duration,
    /// How long a difference is not reported.
    pub(super) grace: Duration,
    /// When to end; `None` for when it is stopped.
    pub(super) length: Option<Duration>,
}

/// Compares each server with the first until `stop` is ready or the time is over, and passes each line to `say`.
pub(super) async fn watch(
    servers: &[Server],
    pace: Pace,
    as_json: bool,
    clock: Clock,
    stop: impl Future<Output = ()>,
    mut say: impl FnMut(String),
) -> Outcome {
    let begin = Instant::now();
    let urls: Vec<ServiceUrl> = servers.iter().map(|server| server.url().clone()).collect();
    let mut watch = Watch {
        urls: &urls,
        lasting: Lasting::new(pace.grace),
        readable: vec![None; servers.len()],
        summary: Summary::default(),
    };
    say(line(&News::Begin { every: pace.every, grace: pace.grace }, &urls, Duration::ZERO, as_json));
    let mut ticks = interval(pace.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let over = async {
        match pace.length {
            Some(length) => tokio::time::sleep(length).await,
            None => std::future::pending().await,
        }
    };
    let (mut stop, mut over) = (Box::pin(stop), Box::pin(over));
    loop {
        let read = async {
            ticks.tick().await;
            join_all(servers.iter().map(|server| server.view(clock.now()))).await
        };
        let views = tokio::select! {
            views = read => views,
            () = &mut stop => break,
            () = &mut over => break,
        };
        let now = begin.elapsed();
        watch.round(&views, now, |news| say(line(news, &urls, now, as_json)));
    }
    let summary = watch.end();
    say(line(&News::Summary(&summary), &urls, begin.elapsed(), as_json));
    match summary {
        Summary { rounds: 0, .. } => Outcome::Unread,
        Summary { unreadable, .. } if unreadable > 0 => Outcome::Unread,
        Summary { reported, .. } if reported > 0 => Outcome::Act,
        _ => Outcome::Nothing,
    }
}

/// The state of a watch.
#[derive(Debug)]
struct Watch<'a> {
    urls: &'a [ServiceUrl],
    lasting: Lasting,
    /// Whether each server could be read last; `None` before the first time.
    readable: Vec<Option<bool>>,
    summary: Summary,
}

impl Watch<'_> {
    /// Takes what the servers said, in their order.
    fn round(&mut self, views: &[Result<View, String>], now: Moment, mut say: impl FnMut(&News<'_>)) {
        self.summary.rounds += 1;
        for (server, view) in views.iter().enumerate() {
            let before = self.readable[server].replace(view.is_ok());
            match view {
                Ok(_) if before == Some(false) => say(&News::Readable(server)),
                Ok(_) => {}
                Err(why) => {
                    self.summary.failed += 1;
                    self.lasting.interrupt(server);
                    if before != Some(false) {
                        say(&News::Unreadable(server, why));
                    }
                }
            }
        }
        let Some(Ok(first)) = views.first() else { return };
        for (server, view) in views.iter().enumerate().skip(1) {
            let Ok(view) = view else { continue };
            let events = self.lasting.observe((0, server), compare(first, view), now);
            self.summary.reported += events.iter().filter(|event| !event.ended).count();
            events.iter().take(MOST_REPORTED).for_each(|event| say(&News::Difference(event)));
            if events.len() > MOST_REPORTED {
                say(&News::More(events.len() - MOST_REPORTED));
            }
        }
        let unfollowed = self.lasting.take_unfollowed();
        if unfollowed > 0 {
            say(&News::Unfollowed(unfollowed));
        }
    }

    fn end(self) -> Summary {
        debug_assert_eq!(self.urls.len(), self.readable.len(), "one state for each server");
        let unreadable = self.readable.iter().filter(|readable| **readable == Some(false)).count();
        Summary { standing: self.lasting.standing(), unreadable, ..self.summary }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AppName, InstanceInfo};
    use crate::time::Timestamp;

    fn view(ids: &[&str]) -> View {
        let instance = |id: &&str| {
            let mut info = InstanceInfo::new(AppName::new("A"), "h", "10.0.0.1", Timestamp(1));
            info.instance_id = Some((*id).into());
            (info.key(), info)
        };
        ids.iter().map(instance).collect()
    }

    /// The lines of a watch of these readings, ten seconds apart.
    fn lines(rounds: Vec<Vec<Result<View, String>>>, as_json: bool) -> (Vec<String>, Summary) {
        let urls: Vec<ServiceUrl> =
            ["http://java:1/eureka/", "http://ours:1/eureka/"].map(|url| ServiceUrl::parse(url).unwrap()).into();
        let mut watch = Watch {
            urls: &urls,
            lasting: Lasting::new(Duration::from_secs(20)),
            readable: vec![None; 2],
            summary: Summary::default(),
        };
        let mut lines = Vec::new();
        for (at, views) in rounds.into_iter().enumerate() {
            let now = Duration::from_secs(10 * at as u64);
            watch.round(&views, now, |news| lines.push(line(news, &urls, now, as_json)));
        }
        (lines, watch.end())
    }

    #[test]
    fn each_difference_and_each_silence_is_reported_once_with_its_end() {
        let (both, one) = (|| Ok(view(&["1", "2"])), || Ok(view(&["1"])));
        let silent = || Err("connection refused".to_owned());
        let rounds = vec![
            vec![both(), both()],
            vec![both(), one()],
            vec![both(), one()],
            vec![both(), one()],
            vec![both(), one()],
            vec![both(), silent()],
            vec![both(), silent()],
            vec![both(), both()],
        ];
        let (said, summary) = lines(rounds.clone(), false);
        assert_eq!(
            said,
            [
                "   30 s  A/2 registered: yes at http://java:1/eureka/, no at http://ours:1/eureka/, for 20 s",
                "   50 s  http://ours:1/eureka/ cannot be read: connection refused",
                "   70 s  http://ours:1/eureka/ can be read again",
                "   70 s  A/2 registered: the same again at http://java:1/eureka/ and http://ours:1/eureka/, after 60 s",
            ]
        );
        assert_eq!((summary.rounds, summary.failed, summary.reported, summary.standing), (8, 2, 1, 0));
        assert_eq!(summary.unreadable, 0);
        let (said, _) = lines(rounds, true);
        let events: Vec<serde_json::Value> = said.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let kinds: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
        assert_eq!(kinds, ["difference", "unreadable", "readable", "ended"]);
        assert_eq!((&events[0]["at"], &events[0]["lastedSecs"]), (&30.into(), &20.into()));
    }

    #[test]
    fn many_differences_at_once_are_counted() {
        let ids: Vec<String> = (0..60).map(|id| id.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let rounds = (0..3).map(|_| vec![Ok(view(&ids)), Ok(View::new())]).collect();
        let (said, summary) = lines(rounds, false);
        assert_eq!((said.len(), said.last().map(|line| line.ends_with("and 10 more"))), (51, Some(true)));
        assert_eq!((summary.reported, summary.standing), (60, 60));
    }
}
