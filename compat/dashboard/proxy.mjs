// What stands between the browser and a registry.

import http from 'node:http';

/** Bytes of a slice at least. It ends with its line: what is in a line of our pages belongs together, and may move by a few pixels while it comes. */
const SLICE = 300;

/** A proxy in front of a registry. It can hold requests, answer 503 by itself, or give pages in slices; event streams pass. */
export class Proxy {
  static async before(registry) {
    const proxy = new Proxy();
    Object.assign(proxy, { registry, held: [], holds: false, fails: false, under: 0, lists: 0 });
    proxy.server = http.createServer((request, answer) => proxy.#take(request, answer));
    await new Promise((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    proxy.url = `http://127.0.0.1:${proxy.server.address().port}${new URL(registry.url).pathname}`;
    return proxy;
  }

  #take(request, answer) {
    const stream = request.url.endsWith('/events');
    if (!stream) {
      this.under += 1;
      this.lists += Number(request.url.includes('/api/v1/instances?'));
      answer.once('close', () => (this.under -= 1));
    }
    if (this.fails && !stream) answer.writeHead(503).end('the proxy reaches nothing');
    else if (this.holds && !stream) this.held.push(() => this.#pass(request, answer));
    else this.#pass(request, answer);
  }

  #pass(request, answer) {
    const { method, url } = request;
    const headers = { ...request.headers, ...(this.afterSlice && { 'accept-encoding': 'identity' }) };
    const onward = http.request({ host: '127.0.0.1', port: this.registry.port, method, path: url, headers }, (from) => {
      answer.writeHead(from.statusCode, from.headers);
      if (this.afterSlice && from.headers['content-type']?.startsWith('text/html')) this.#slice(from, answer);
      else from.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    answer.once('close', () => onward.destroy());
    request.pipe(onward);
  }

  /** A page as a slow network gives it: a slice, what `afterSlice` waits for, and the next one. */
  async #slice(from, answer) {
    const whole = Buffer.concat(await from.toArray());
    for (let at = 0; at < whole.length && !answer.destroyed; ) {
      const end = whole.indexOf('\n', at + SLICE) + 1 || whole.length;
      answer.write(whole.subarray(at, end));
      await this.afterSlice();
      at = end;
    }
    answer.end();
  }

  /** Lets all requests pass from now on, also those that it holds. */
  release() {
    this.holds = false;
    for (const pass of this.held.splice(0)) pass();
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections();
  }
}
