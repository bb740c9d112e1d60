"""The table: every number beside the Java server's, design.md's goal, and whether it is met."""


# Heartbeats of the bare handler when the goals were set (design.md).
BARE_CPU_US = 10
BARE_PER_SECOND = 88_600


class Row:
    """One row of the table: how its number is read from a result, and what ours must reach.

    `path` leads into the results of one server, such as "single.cases.heartbeat.cpu_us". `goal` is an
    upper bound, or with `at_least` a lower one; None where design.md names none.
    """

    def __init__(self, label, path, unit, goal=None, at_least=False, scale=1.0, digits=0):
        self.label, self.path, self.unit, self.goal = label, path, unit, goal
        self.at_least, self.scale, self.digits = at_least, scale, digits

    def read(self, result):
        for key in self.path.split("."):
            if not isinstance(result, (dict, list)):
                return None
            if isinstance(result, list):
                result = result[int(key)] if int(key) < len(result) else None
            else:
                result = result.get(key)
        return None if result is None else result * self.scale

    def verdict(self, value, pace):
        """Whether the goal is met, and for one that depends on the machine's speed whether at `pace` it is."""
        if self.goal is None or value is None:
            return ""
        over = self.goal / value if self.at_least else value / self.goal
        if over <= 1:
            return "met"
        text = f"MISSED by {(over - 1) * 100:.0f} %"
        if self.unit in pace:
            at_pace = over / pace[self.unit]
            text += ", met at pace" if at_pace <= 1 else f", by {(at_pace - 1) * 100:.0f} % at pace"
        return text


def case(label, name, goal=None, detail=True):
    rows = [Row(f"{label}: CPU per request", f"single.cases.{name}.cpu_us", "us", goal, digits=1)]
    if detail:
        rows += [
            Row("    per second", f"single.cases.{name}.per_second", "/s",
                70_000 if name == "heartbeat" else None, at_least=True),
            Row("    p50", f"single.cases.{name}.p50_us", "ms", scale=0.001, digits=2),
            Row("    p99", f"single.cases.{name}.p99_us", "ms", scale=0.001, digits=2),
            Row("    bytes per answer", f"single.cases.{name}.bytes_each", "B"),
        ]
    return rows


ROWS = [
    Row("start to first answer", "single.start_seconds", "ms", 50, scale=1000, digits=1),
    Row("resident memory, empty", "single.memory_empty_mb", "MB", 10, digits=1),
    Row("resident memory, 10,000 instances", "single.memory_loaded_mb", "MB", 40, digits=1),
    Row("    after the first full fetch", "single.memory_fetched_mb", "MB", digits=1),
    Row("    after all cases, all forms asked for", "single.memory_end_mb", "MB", digits=1),
    *case("heartbeat", "heartbeat", 15),
    Row("heartbeat beside the bare one", "beside_bare.heartbeat.ratio", "times", 1.15, digits=2),
    Row("full fetch beside the bare one", "beside_bare.full_gzip.ratio", "times", 1.05, digits=2),
    Row("new registration beside a bare heartbeat", "beside_bare.register_new.ratio", "times", 3.5, digits=2),
    Row("heartbeat with a peer: CPU at the receiver", "heartbeat_with_peer.cpu_us", "us", 22, digits=1),
    Row("    CPU at the peer", "heartbeat_with_peer.others_cpu_us.0", "us", 8, digits=1),
    Row("    per second", "heartbeat_with_peer.per_second", "/s"),
    Row("    at 3,333/s: CPU at the receiver", "heartbeat_with_peer.paced.cpu_us", "us", digits=1),
    Row("    at 3,333/s: CPU at the peer", "heartbeat_with_peer.paced.others_cpu_us.0", "us", digits=1),
    *case("register (again, changed)", "register", 25),
    *case("register (new)", "register_new", 25),
    *case("one application, JSON", "one_application", 15),
    *case("one instance, JSON", "one_instance"),
    *case("delta of 10,000 changes, gzip", "delta", 60),
    *case("full fetch, gzip", "full_gzip", 150),
    *case("full fetch, plain", "full_plain"),
    *case("full fetch, compact, gzip", "full_compact"),
    *case("full fetch, XML, gzip", "full_xml"),
    *case("full fetch, gzip, 100 registrations/s", "under_churn"),
    Row("    compared with the quiet cost", "single.churn_ratio", "times", 2, digits=2),
    Row("    age of the answers, p50", "single.cases.under_churn.age_p50_ms", "ms", digits=1),
    Row("    age of the answers, max", "single.cases.under_churn.age_max_ms", "ms", 100, digits=1),
    Row("heartbeats while full fetches run: p50", "single.cases.beside_fetches.p50_us", "ms", scale=0.001, digits=2),
    Row("    p99", "single.cases.beside_fetches.p99_us", "ms", scale=0.001, digits=2),
    Row("    longest", "single.cases.beside_fetches.max_us", "ms", 50, scale=0.001, digits=2),
    Row("    the longest while 1,000 changes/s arrive", "churn.1000.beats.max_us", "ms", 50, scale=0.001, digits=2),
    *case("what 10,000 clients make (667/s)", "mix"),
    Row("    share of a core", "single.cases.mix.cores", "%", scale=100, digits=1),
    Row("    instances in the delta meanwhile", "single.cases.mix.delta_instances", ""),
    Row("delta for one client a minute, 1 change/s", "delta_traffic.1", "kB", scale=0.001, digits=1),
    Row("    10 changes/s", "delta_traffic.10", "kB", scale=0.001, digits=1),
    Row("seen at a peer by id: p50", "lag.by_id.p50_ms", "ms", 5, digits=1),
    Row("    p99", "lag.by_id.p99_ms", "ms", 50, digits=1),
    Row("seen in a peer's full fetch: p50", "lag.in_full.p50_ms", "ms", 5, digits=1),
    Row("    p99", "lag.in_full.p99_ms", "ms", 50, digits=1),
    Row("    of which one fetch, nothing changed", "lag.in_full.fetch_ms", "ms", digits=1),
    Row("10,000 registrations copied to all members", "lag.copy_seconds", "ms", scale=1000),
    Row("one idle keep-alive connection", "connections.plain.kb_each", "kB", 3, digits=1),
    Row("    with TLS", "connections.tls.kb_each", "kB", 10, digits=1),
    Row("10,000 instances, each with its connection", "connections.instances.memory_mb", "MB", 64, digits=1),
    Row("new connection with one request: CPU", "connections.handshakes.plain_us", "us"),
    Row("    with a full TLS handshake", "connections.handshakes.full_us", "us"),
    Row("    with a resumed TLS handshake", "connections.handshakes.resumed_us", "us"),
    Row("10,000 clients at once, full handshakes: CPU", "connections.rush.full.cpu_us", "us"),
    Row("    until the last is answered", "connections.rush.full.longest_seconds", "s", digits=1),
    Row("    connections closed and made again", "connections.rush.full.tried_again", ""),
    Row("    peak memory", "connections.rush.full.peak_mb", "MB", digits=1),
    Row("10,000 at once, resumed handshakes: CPU", "connections.rush.resumed.cpu_us", "us"),
    Row("    until the last is answered", "connections.rush.resumed.longest_seconds", "s", digits=1),
    Row("    connections closed and made again", "connections.rush.resumed.tried_again", ""),
    Row("    peak memory", "connections.rush.resumed.peak_mb", "MB", digits=1),
    Row("100,000 instances: memory", "growth.100000.memory_loaded_mb", "MB", 250, digits=1),
    Row("    after the first full fetch", "growth.100000.memory_fetched_mb", "MB", digits=1),
    Row("    3,333 heartbeats/s: share of a core", "growth.100000.paced.cores", "%", 10, scale=100, digits=1),
    Row("    heartbeats/s driven", "growth.100000.paced.per_second", "/s"),
]


def number(value, digits):
    return "-" if value is None else f"{value:,.{digits}f}"


def ratio(row, java, ours):
    if not java or not ours:
        return "-"
    times = ours / java if row.at_least or row.unit == "/s" else java / ours
    return f"{times:,.1f}x"


def table(results):
    """The table's lines, and how many goals were met and missed."""
    ours = results.get("ours", {})
    pace = pace_of(results)
    lines = [f"{'':44}{'unit':>6}{'Java':>12}{'ours':>12}{'bare':>10}{'r-nacos':>10}{'better':>9}{'goal':>10}  verdict"]
    met = missed = 0
    for row in ROWS:
        values = {kind: row.read(results.get(kind, {})) for kind in ("java", "ours", "bare", "r-nacos")}
        if all(value is None for value in values.values()):
            continue
        verdict = row.verdict(values["ours"], pace) if ours else ""
        met += verdict == "met"
        missed += verdict.startswith("MISSED")
        lines.append(
            f"{row.label:44}{row.unit:>6}{number(values['java'], row.digits):>12}{number(values['ours'], row.digits):>12}"
            f"{number(values['bare'], row.digits):>10}{number(values['r-nacos'], row.digits):>10}"
            f"{ratio(row, values['java'], values['ours']):>9}"
            f"{'' if row.goal is None else f'{row.goal:,}':>10}  {verdict}")
    return lines, met, missed


def pace_of(results):
    """By unit, how much slower the handler that does nothing is now than when the goals were set."""
    bare = results.get("bare", {}).get("single", {}).get("cases", {}).get("heartbeat")
    return {"us": bare["cpu_us"] / BARE_CPU_US, "/s": BARE_PER_SECOND / bare["per_second"]} if bare else {}


def pace_note(results):
    pace = pace_of(results)
    if not pace:
        return []
    return [f"Pace: a heartbeat costs the bare handler {pace['us'] * BARE_CPU_US:.1f} us of CPU now, {BARE_CPU_US:.0f} us when the "
            f"goals were set, and it answers {BARE_PER_SECOND / pace['/s']:,.0f} per second, {BARE_PER_SECOND:,} then; "
            f"'at pace' moves a goal in the same proportion."]


def bar(value, largest, width=40):
    return "#" * max(1, round(width * value / largest)) if value else ""


def growth(results):
    """Cost by size and by rate of change, as a table and as bars."""
    lines = []
    sizes = dict(results.get("ours", {}).get("growth", {}))
    if million := results.get("ours", {}).get("million"):
        sizes["1000000"] = million
    if sizes:
        columns = ("heartbeat", "register", "delta", "full_gzip")
        lines += ["", "Growth, ours: CPU per request (us) by number of instances; per instance in brackets for documents", "",
                  f"{'instances':>10}{'heartbeat':>11}{'register':>10}{'delta':>18}{'full gzip':>20}"
                  f"{'MB loaded':>11}{'MB peak':>9}{'load s':>8}{'first fetch s':>15}{'heartbeat p99 ms':>18}{'full p50 ms':>13}"]
        for size, row in sizes.items():
            each = {name: row[name]["cpu_us"] for name in columns}
            documents = [f"{each[name]:,.0f} ({each[name] / int(size) * 1000:.1f} ns)" for name in ("delta", "full_gzip")]
            lines.append(f"{int(size):>10,}{each['heartbeat']:>11.1f}{each['register']:>10.1f}{documents[0]:>18}{documents[1]:>20}"
                         f"{row['memory_loaded_mb']:>11.1f}{row['memory_peak_mb']:>9.1f}{row['load_seconds']:>8.1f}"
                         f"{row['full_gzip']['first_seconds']:>15.2f}{row['heartbeat']['p99_us'] / 1000:>18.2f}"
                         f"{row['full_gzip']['p50_us'] / 1000:>13.1f}")
        for name in columns:
            largest = max(row[name]["cpu_us"] for row in sizes.values())
            lines += ["", f"  {name}, CPU per request"]
            lines += [f"  {int(size):>10,} {row[name]['cpu_us']:>10.1f} us {bar(row[name]['cpu_us'], largest)}"
                      for size, row in sizes.items()]
        first, last = next(iter(sizes)), list(sizes)[-1]
        grown = [f"{name} {sizes[last][name]['cpu_us'] / sizes[first][name]['cpu_us']:.1f}" for name in columns]
        lines += ["", f"  From {int(first):,} to {int(last):,} instances, {int(last) // int(first)} times as many, CPU per request grows "
                      f"by these factors: {', '.join(grown)}"]
    rates = results.get("ours", {}).get("churn", {})
    if rates:
        lines += [
            "",
            "Churn, ours, 10,000 instances: full fetches with gzip while registrations arrive, and 333 heartbeats/s beside both",
            "",
            f"{'changes/s':>10}{'reached':>9}{'us/fetch':>10}{'fetches/s':>11}{'age p50':>9}{'age max':>9}"
            f"{'heartbeat p99':>15}{'longest':>9}  (ages and heartbeats in ms)",
        ]
        lines += [f"{int(rate):>10,}{row['rate_reached']:>9,.0f}{row['cpu_us']:>10,.1f}{row['per_second']:>11,.0f}{row['age_p50_ms']:>9.1f}"
                  f"{row['age_max_ms']:>9.1f}{row['beats']['p99_us'] / 1000:>15.1f}{row['beats']['max_us'] / 1000:>9.1f}"
                  for rate, row in rates.items()]
        largest = max(row["cpu_us"] for row in rates.values())
        lines += ["", "  full fetch by changes per second, CPU per request"]
        lines += [f"  {int(rate):>10,} {row['cpu_us']:>10.1f} us {bar(row['cpu_us'], largest)}" for rate, row in rates.items()]
    return lines


def noise(results):
    """How much of the machine other processes used meanwhile, and so how reliable the numbers are."""
    found = []

    def walk(value):
        if isinstance(value, dict):
            if "foreign_cores" in value:
                found.append((value["foreign_cores"], value["cpu_us_range"]))
            for inner in value.values():
                walk(inner)

    walk(results)
    if not found:
        return []
    cores = sorted(one for one, _ in found)
    spread = sorted((high - low) / low for _, (low, high) in found if low)
    return ["", f"Noise: other processes on this machine used {cores[len(cores) // 2]:.2f} cores (median over the cases, "
            f"at most {cores[-1]:.2f}) while these numbers were taken; CPU per request differed between the rounds of a "
            f"case by {spread[len(spread) // 2] * 100:.0f} % (median, at most {spread[-1] * 100:.0f} %)."
            if spread else f"Noise: other processes used up to {cores[-1]:.2f} cores."]
