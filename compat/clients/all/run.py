"""Plays every client of the table, one after the other, and prints what each did, and which newer releases exist.

Arguments: the binary, the directory of caches, a directory for logs. `--only NAME,...` plays these rows, `--list` prints the names, and
`--no-newest` asks no package registry for newer releases.
"""

import argparse
import re
import signal
import sys
import time
import traceback

import course
import kinds
import newest
import pins
import programs
import rows

SPRING_CLOUD = ("maven", "org.springframework.cloud:spring-cloud-dependencies")


def print_log(row, client, lines=12):
    """What a client that failed said of errors, and its last lines."""
    said = client.lines()
    errors = [line for line in said if re.search(r"ERROR|Caused by|Error:|Exception", line)]
    print("\n".join(f"    {row.name} said: {line[:300]}" for line in [*errors[:lines], "...", *said[-lines:]]))


def by_reason(lacks):
    """The steps that a row lacks, under each reason."""
    reasons = {}
    for step, why in lacks.items():
        reasons.setdefault(why, []).append(step)
    return reasons


def outcome(row, replicas, answering, work):
    """What was done, and the result: `passed`, `not here: ...`, or what failed."""
    run = course.Course(row, replicas, answering, work)
    lacking = [f"not {', '.join(steps)} ({why})" for why, steps in by_reason(row.lacks).items()]
    try:
        run.play()
    except programs.Unavailable as error:
        return run.done, f"not here: {error}"
    except (course.Failed, OSError, KeyError, ValueError) as error:
        if not isinstance(error, course.Failed):
            traceback.print_exc()
        if run.client:
            print_log(row, run.client)
        return run.done, f"FAILED: {error}"
    if not run.done:
        return run.done, "FAILED: nothing was done"
    return [*run.done, *lacking], "passed"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary")
    parser.add_argument("cache")
    parser.add_argument("work")
    parser.add_argument("--only", default="")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--no-newest", action="store_true")
    options = parser.parse_args()
    table = [*kinds.core(options.binary), *rows.table(programs.Programs(options.cache, options.work))]
    if options.list:
        print("\n".join(f"{row.name}: {row.what} {row.version}" for row in table))
        return
    chosen = options.only.split(",") if options.only else [row.name for row in table]
    if unknown := set(chosen) - {row.name for row in table}:
        sys.exit(f"there is no row {', '.join(sorted(unknown))}")
    table = [row for row in table if row.name in chosen]

    # As Ctrl-C does, so that whatever was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    answering = course.Answering()
    clusters, results = {}, []
    try:
        for row in table:
            began = time.monotonic()
            if row.secured not in clusters:
                clusters[row.secured] = (course.Replicas.secured if row.secured else course.Replicas)(options.binary, options.work)
            done, result = outcome(row, clusters[row.secured], answering, options.work)
            results.append((row, done, result))
            print(f"  {row.name}: {row.what} {row.version}: {result} in {time.monotonic() - began:.0f} s", flush=True)
    finally:
        for replicas in clusters.values():
            replicas.end()
        answering.end()

    known = newest.Newest(options.work, [], ()) if options.no_newest else newest.Newest(options.work, table, [SPRING_CLOUD])
    print("\n| client | version | what was done | result | newest release |\n| --- | --- | --- | --- | --- |")
    for row, done, result in results:
        print(f"| {row.what} | {row.version} | {', '.join(done)} | {result.replace('|', '/')} | {known.of(row.newest)} |")
    if not options.only:
        for what, why in pins.NOT_PLAYED.items():
            print(f"| {what} | | | not played: {why} | |")
    print("\nThe steps: " + "; ".join(f"{step}: {words}" for step, words in course.STEPS.items()))
    if not options.no_newest:
        print(f"Spring Cloud: {known.of(SPRING_CLOUD)}")
    for line in known.silent:
        print(line)
    missing = [row for row, _, result in results if result.startswith("not here")]
    failed = [row for row, _, result in results if result.startswith("FAILED")]
    if missing:
        print("\nNOT HERE, so not played: " + ", ".join(row.name for row in missing))
    print(f"\n{len(results) - len(failed) - len(missing)} passed, {len(failed) + len(missing)} failed")
    if failed or missing:
        sys.exit(1)


if __name__ == "__main__":
    main()
