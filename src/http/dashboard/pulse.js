// Whether the registry answers: since when a request has waited, and since when none has been answered.

/** A request that has waited for this long makes the registry "busy", in milliseconds. */
const BUSY = 1000;
/** Answers of a server or proxy that cannot do its work just now. */
const FAILING = new Set([502, 503, 504]);

/** When each request that is under way was begun. */
const waiting = new Map();
let failing;
let number = 0;

/** Notes a request. Returns a function for its end, which is told the status of the answer; 0 if there was none. */
export function begun() {
  const mine = (number += 1);
  const at = Date.now();
  waiting.set(mine, at);
  setTimeout(told, BUSY + 50);
  return (status) => {
    waiting.delete(mine);
    if (status === undefined) return told();
    failing = status === 0 || FAILING.has(status) ? (failing ?? at) : undefined;
    return told();
  };
}

/** How it is now: `busyFor`, in milliseconds, if a request has waited for long; `failingSince`, by this machine's clock. */
export function pulse() {
  const longest = Math.max(0, ...[...waiting.values()].map((at) => Date.now() - at));
  return { busyFor: longest >= BUSY ? longest : undefined, failingSince: failing };
}

/** Listeners are told with an event of the document. */
const told = () => document.dispatchEvent(new Event('pulse'));
