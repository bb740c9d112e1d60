// The calls that the page makes. Every address is relative to the page, so that a context path makes no difference.

import { begun } from './pulse.js';

/** A call that the registry refused, with the registry's message. */
export class Refused extends Error {
  constructor(status, message) {
    super(message || `the registry answered ${status}`);
    this.status = status;
  }
}

/** How long a request may take, and one that changes something, in milliseconds. */
const PATIENCE = 10_000;
const PATIENCE_FOR_CHANGES = 60_000;
/** A drain says at least every few seconds how far it is. One that is silent for this long is lost, in milliseconds. */
const PATIENCE_FOR_LINES = 15_000;

/** Makes a request and reads its whole answer, in time. */
async function ask(address, { signal, ...options } = {}) {
  const patience = options.method ? PATIENCE_FOR_CHANGES : PATIENCE;
  const late = AbortSignal.timeout(patience);
  const ended = begun();
  let status;
  try {
    const answer = await fetch(address, { cache: 'no-store', signal: signal ? AbortSignal.any([signal, late]) : late, ...options });
    const body = await answer.text();
    status = answer.status;
    if (!answer.ok) throw new Refused(answer.status, messageOf(body));
    return body;
  } catch (error) {
    if (error instanceof Refused || signal?.aborted) throw error;
    status = 0;
    throw new Error(late.aborted ? `no answer within ${patience / 1000} s${options.method ? '; it may have been done' : ''}` : 'the registry does not answer', { cause: error });
  } finally {
    ended(status);
  }
}

/** The message of an error: the one in its JSON, or the first line of its text. */
function messageOf(body) {
  try {
    return JSON.parse(body).error;
  } catch {
    return body.split('\n', 1)[0].slice(0, 300);
  }
}

/** What leads from this page to where Eureka's paths begin: nothing, unless `eureka.dashboard.path` moved the page. */
export const root = document.documentElement.dataset.root ?? '';

/** GETs JSON below `api/v1/`. */
export async function get(path, parameters = {}, signal) {
  const query = new URLSearchParams(parameters);
  return JSON.parse(await ask(`${root}api/v1/${path}${query.size ? `?${query}` : ''}`, { signal }));
}

export const instancePath = (application, id) =>
  `applications/${encodeURIComponent(application)}/instances/${encodeURIComponent(id)}`;

/** Does something to many instances, or plans it: the request and its answer are those of `api/v1/acts`. */
export async function act(request) {
  return JSON.parse(await ask(ACTS, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(request) }));
}

/** Where acts are sent, as an address. */
export const actsAddress = () => new URL(ACTS, location.href).href;

const ACTS = `${root}api/v1/acts`;

/** Has expired leases evicted, or kept, for some minutes. `reason` is shown to everybody. */
export const switchSelfPreservation = (evict, minutes, reason) =>
  ask(`${SELF_PRESERVATION}?${new URLSearchParams({ evict, seconds: Math.round(minutes * 60), reason })}`, { method: 'PUT' });

/** Ends what an operator decided about self-preservation. */
export const switchSelfPreservationBack = () => ask(SELF_PRESERVATION, { method: 'DELETE' });

/** Where an instance is drained, as an address below `root`. */
const drainPath = (application, id, parameters) => `${root}api/v1/${instancePath(application, id)}/drain?${new URLSearchParams(parameters)}`;

export const drainAddress = (...what) => new URL(drainPath(...what), location.href).href;

/**
 * Begins to drain an instance. Returns the reports of the drain as they come; the last one says how it ended. It ends, too, if `signal`
 * is aborted; the instance stays out of service then.
 */
export async function drain(application, id, parameters, signal) {
  const lost = new AbortController();
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => lost.abort(), PATIENCE_FOR_LINES);
  };
  const ended = begun();
  let status = 0;
  heard();
  try {
    const answer = await fetch(drainPath(application, id, parameters), { method: 'POST', headers: { accept: 'application/x-ndjson' }, cache: 'no-store', signal: AbortSignal.any([signal, lost.signal]) });
    status = answer.status;
    if (!answer.ok) throw new Refused(status, messageOf(await answer.text()));
    return lines(answer.body, heard, () => clearTimeout(timer));
  } catch (error) {
    clearTimeout(timer);
    if (error instanceof Refused) throw error;
    throw new Error('the registry does not answer; it may have been done', { cause: error });
  } finally {
    ended(status);
  }
}

/** The JSON of each line. */
async function* lines(body, heard, over) {
  let rest = '';
  try {
    for (const reader = body.pipeThrough(new TextDecoderStream()).getReader(); ;) {
      const { value, done } = await reader.read();
      if (done) return;
      heard();
      const all = (rest + value).split('\n');
      rest = all.pop();
      for (const line of all) yield JSON.parse(line);
    }
  } finally {
    over();
  }
}

const SELF_PRESERVATION = `${root}api/v1/self-preservation`;

/** A stream that is silent for this long is broken: the registry sends an event at least every five seconds. In milliseconds. */
const SILENCE = 15_000;
/** Maximum pause between two attempts to connect, in milliseconds. */
const RETRY_AT_MOST = 10_000;

/**
 * The event stream. It reconnects by itself whenever it breaks; browsers do not in every case. A page in the background has no stream:
 * browsers open at most six connections to a server, so streams in six tabs would leave none for other requests.
 */
export class Stream {
  #source;
  #delay = 1000;
  #silence;
  #retry;

  /** `listeners` has a function per event name, and `open` and `lost`. */
  constructor(listeners) {
    this.listeners = listeners;
    this.#connect();
    // The network is back, so there is no reason to wait for the next attempt.
    addEventListener('online', () => this.#again(0));
    addEventListener('pagehide', () => this.#close());
    addEventListener('pageshow', ({ persisted }) => persisted && this.#again(0));
    document.addEventListener('visibilitychange', () => (document.hidden ? this.#close() : this.#again(0)));
  }

  #connect() {
    if (document.hidden) return;
    const source = new EventSource(`${root}api/v1/events`);
    this.#source = source;
    this.#heard();
    source.onopen = () => {
      this.#delay = 1000;
      this.#heard();
      this.listeners.open();
    };
    source.onerror = () => this.#lost();
    for (const name of ['overview', 'change', 'missed']) {
      source.addEventListener(name, (event) => {
        this.#heard();
        this.listeners[name]?.(JSON.parse(event.data));
      });
    }
  }

  #heard() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lost(), SILENCE);
  }

  #lost() {
    this.listeners.lost();
    this.#again(this.#delay);
    this.#delay = Math.min(this.#delay * 2, RETRY_AT_MOST);
  }

  #again(delay) {
    this.#close();
    this.#retry = setTimeout(() => this.#connect(), delay);
  }

  #close() {
    clearTimeout(this.#retry);
    clearTimeout(this.#silence);
    this.#source?.close();
  }
}
