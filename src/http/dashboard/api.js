// What the page asks the registry for. Every address is relative to the page, so that a context path makes no difference.

/** A refusal, with what the registry says of it. */
export class Refused extends Error {
  constructor(status, message) {
    super(message || `the registry answered ${status}`);
    this.status = status;
  }
}

async function ask(address, options = {}) {
  const answer = await fetch(address, { cache: 'no-store', ...options });
  if (!answer.ok) throw new Refused(answer.status, await said(answer));
  return answer;
}

/** The message of an answer that is an error: its JSON's, or its first line. */
async function said(answer) {
  const body = await answer.text();
  try {
    return JSON.parse(body).error;
  } catch {
    return body.split('\n', 1)[0].slice(0, 300);
  }
}

/** GETs JSON below `api/v1/`. */
export async function get(path, parameters = {}, signal) {
  const query = new URLSearchParams(parameters);
  const answer = await ask(`api/v1/${path}${query.size ? `?${query}` : ''}`, { signal });
  return answer.json();
}

export const instancePath = (application, id) =>
  `applications/${encodeURIComponent(application)}/instances/${encodeURIComponent(id)}`;

/** Eureka's own call that sets an instance's status until it is taken back. */
export const takeOutOfService = (application, id) => ask(`${statusPath(application, id)}?value=OUT_OF_SERVICE`, { method: 'PUT' });

/** Eureka's own call that takes that back; UP is what the instance is shown as until its next heartbeat says more. */
export const takeBack = (application, id) => ask(`${statusPath(application, id)}?value=UP`, { method: 'DELETE' });

const statusPath = (application, id) => `eureka/apps/${encodeURIComponent(application)}/${encodeURIComponent(id)}/status`;

/** Longer than the registry is silent on a stream that works: it says something every five seconds. */
const SILENCE = 15_000;
const RETRY_AT_MOST = 10_000;

/**
 * The event stream, made again whenever it breaks, whatever the browser would do. A page that nobody sees has none: browsers open
 * no more than six connections to a server, and with a stream in each of six tabs nothing else would be answered.
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
    // The network is back: no reason to wait for the next try.
    addEventListener('online', () => this.#again(0));
    addEventListener('pagehide', () => this.#close());
    addEventListener('pageshow', ({ persisted }) => persisted && this.#again(0));
    document.addEventListener('visibilitychange', () => (document.hidden ? this.#close() : this.#again(0)));
  }

  #connect() {
    if (document.hidden) return;
    const source = new EventSource('api/v1/events');
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
