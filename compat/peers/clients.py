"""Applications that a cluster must not disturb while its servers are replaced."""

import json
import threading
import urllib.error

import lib

# Seconds that an application waits for an answer before it asks the next server: Netflix's clients wait eight.
PATIENCE = 8


class Clients:
    """Ten instances that renew and, once told to, one that fetches, each trying the next server where one does not answer."""

    def __init__(self, bases, user=None):
        self.bases, self.user = bases, user
        self.stopped = threading.Event()
        self.failed, self.registered_again, self.fetches, self.least, self.lacking = 0, 0, 0, 10, []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.renew, args=(number,)) for number in range(10)]
        for number in range(10):
            self.anywhere("POST", "/eureka/apps/ORDERS", lib.instance("ORDERS", f"orders:{number}"))
        for thread in self.threads:
            thread.start()

    def watch(self):
        """Fetches from now on: all servers know all instances."""
        fetching = threading.Thread(target=self.fetch)
        self.threads.append(fetching)
        fetching.start()

    def anywhere(self, method, path, data=None):
        """The server that carried it out, or 404 or None, and the text of its answer."""
        for base in self.bases:
            try:
                return base, lib.request(base + path, method, data, seconds=PATIENCE, user=self.user)
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    return 404, ""
            except OSError:
                pass
        with self.lock:
            self.failed += 1
        return None, ""

    def renew(self, number):
        while not self.stopped.wait(1):
            status, _ = self.anywhere("PUT", f"/eureka/apps/ORDERS/orders:{number}?status=UP&lastDirtyTimestamp=1700000000000")
            if status == 404:
                with self.lock:
                    self.registered_again += 1
                self.anywhere("POST", "/eureka/apps/ORDERS", lib.instance("ORDERS", f"orders:{number}"))

    def fetch(self):
        while not self.stopped.wait(0.2):
            base, answer = self.anywhere("GET", "/eureka/apps")
            applications = json.loads(answer)["applications"]["application"] if answer else []
            count = sum(len(one["instance"]) for one in applications if one["name"] == "ORDERS")
            with self.lock:
                self.fetches += 1
                self.least = min(self.least, count)
                if count < 10:
                    self.lacking.append(base)

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def said(self):
        """What they saw, in words."""
        lacking = f" (fewer from {self.lacking[:5]})" if self.lacking else ""
        return (
            f"{self.fetches} fetches, the smallest with {self.least} of 10{lacking}; {self.failed} calls failed "
            f"at every server; {self.registered_again} heartbeats answered 404"
        )
