"""Plays scenarios of tests/golden to a Java server and records its answers: record.py JAR WORK GOLDEN [--check] [NAME ...]

An answer that differs from the recorded one only by what varies by nature (`comparable`) leaves the recorded one as it
is, so that recording again shows in the diff what the server really does differently, and nothing else.
"""

import gzip
import http.client
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import lib

# The server that the first scenarios were recorded from. It shows in `GET /status` only.
HOST, PORT = "192.0.2.2", 8790
# The headers of an answer that are part of the protocol.
HEADERS = ("allow", "content-encoding", "content-type")
START_SECONDS = 120


def main(jar, work, golden, *arguments):
    check = "--check" in arguments
    names = [argument for argument in arguments if argument != "--check"]
    if unknown := [name for name in names if name.startswith("-")]:
        sys.exit(f"unknown option {unknown[0]}; the only one is --check")
    files = [Path(golden, f"{name}.json") for name in names] or sorted(Path(golden).glob("*.json"))
    scenarios = [(file, read(file)) for file in files]
    differing = 0
    for file, scenario in scenarios:
        with JavaServer(jar, Path(work, f"{file.stem}.log")) as server:
            answers = [server.play(step["request"]) for step in scenario["steps"]]
        differing += report(scenario, answers)
        if not check:
            write(file, scenario, answers)
    if check and differing:
        sys.exit(f"{differing} steps are not answered as recorded")


def read(file):
    """A scenario whose steps have a request each, and a response where one is recorded."""
    try:
        scenario = json.loads(file.read_text(encoding="utf-8"))
        steps = [{"request": request(step["request"]), "response": step.get("response")} for step in scenario["steps"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        sys.exit(f"{file.resolve()} is no scenario (tests/golden/README.md has the format): {error!r}")
    return {"name": file.stem, "steps": steps}


def request(given):
    return {"method": given["method"], "path": given["path"], "headers": given.get("headers", {}), "body": given.get("body")}


def report(scenario, answers):
    """Prints what is new and what differs; the number of steps of either kind."""
    found = 0
    for number, (step, answer) in enumerate(zip(scenario["steps"], answers, strict=True)):
        recorded = step["response"]
        if recorded and comparable(scenario, recorded) == comparable(scenario, answer):
            continue
        found += 1
        print(f"  {scenario['name']} step {number}: {step['request']['method']} {step['request']['path']}")
        if recorded:
            print(f"    recorded {comparable(scenario, recorded)}")
        print(f"    answered {comparable(scenario, answer)}")
    print(f"  {scenario['name']}: {len(answers)} steps, {len(answers) - found} answered as recorded", flush=True)
    return found


def write(file, scenario, answers):
    for step, answer in zip(scenario["steps"], answers, strict=True):
        recorded = step["response"]
        if not recorded or comparable(scenario, recorded) != comparable(scenario, answer):
            step["response"] = answer
    file.write_text(json.dumps(scenario, indent=1, ensure_ascii=False), encoding="utf-8")


def comparable(scenario, response):
    """An answer as text, without what differs from run to run: times that the server made (no request has sent them), the
    dates in Spring's error bodies, and the server's memory, processors and uptime."""
    sent = json.dumps([step["request"] for step in scenario["steps"]])
    text = json.dumps(response, sort_keys=True, ensure_ascii=False)
    text = re.sub(r"\b\d{13}\b", lambda time: time[0] if time[0] in sent else "TIME", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,3}\+00:00", "DATE", text)
    text = re.sub(r"(?<=<div id='created'>)[^<]*", "DATE", text)
    return re.sub(r"<(num-of-cpus|total-avail-memory|current-memory-usage|server-uptime)>[^<]*<", r"<\1>VARIES<", text)


class JavaServer:
    """A standalone Java server with an empty registry."""

    def __init__(self, jar, log):
        self.reserved, self.log = lib.ReservedPort(), log
        self.port = self.reserved.number
        self.command = [
            "java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-Duser.timezone=UTC", "-jar", jar,
            f"--server.port={self.port}", "--server.address=127.0.0.1", "--spring.application.name=eureka",
            f"--eureka.instance.hostname={HOST}", f"--eureka.instance.ip-address={HOST}",
            f"--eureka.instance.instance-id={HOST}:eureka:{PORT}",
            "--eureka.client.register-with-eureka=false", "--eureka.client.fetch-registry=false",
            "--eureka.server.use-read-only-response-cache=false", "--eureka.server.wait-time-in-ms-when-sync-empty=0",
        ]

    def __enter__(self):
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        try:
            self.wait_until_started()
        except BaseException as failure:
            self.__exit__(failure)
            raise
        return self

    def __exit__(self, failure=None, *_):
        lib.end(self.process, 30)
        if failure is None:
            self.log.unlink()

    def wait_until_started(self):
        """Waits for Spring and for Eureka, which starts on a thread of its own while the port is open already."""
        def has_started():
            if self.process.poll() is not None:
                sys.exit(f"the Java server ended with {self.process.returncode}")
            return {"Started JavaServer", "Started Eureka Server"} <= self.logged()

        lib.until("the Java server to start", has_started, START_SECONDS)

    def logged(self):
        return set(re.findall(r"Started \w+(?: Server)?", self.log.read_text(encoding="utf-8")))

    def play(self, request):
        """Sends a request with the headers it names and no others but Host and Content-Length; the answer as it is recorded."""
        body = (request["body"] or "").encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest(request["method"], f"/eureka{request['path']}", skip_accept_encoding=True)
        for name, value in request["headers"].items():
            connection.putheader(name, value)
        if body or request["method"] in ("POST", "PUT"):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        if response.getheader("content-encoding") == "gzip":
            content = gzip.decompress(content)
        headers = {name.lower(): value for name, value in response.getheaders() if name.lower() in HEADERS}
        return {"status": response.status, "headers": headers, "body": self.neutral(content.decode())}

    def neutral(self, text):
        """The text with the port of the first recordings in place of the one that the system chose for this run."""
        return re.sub(rf"\b{self.port}\b", str(PORT), text)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    main(*sys.argv[1:])
