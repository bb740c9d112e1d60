// Real registries, each a process of its own, and what clients send them.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

const [BINARY, WORK] = process.argv.slice(2);
/** Generous, since only what is broken waits for so long. In milliseconds. */
export const LIMIT = 60_000;

/** Again and again until it gives something. */
export async function until(what, look) {
  const deadline = Date.now() + LIMIT;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const running = new Set();
let started = 0;

/** A registry. Its `url` ends with a slash, behind the context path if it has one. */
export class Registry {
  static async start(settings = {}, port = 0) {
    const registry = Registry.#launch(settings, port);
    const origin = await until(`a registry that listens (${registry.log})`, () => fs.readFileSync(registry.log, 'utf8').match(/listening on (http:\S+).*\n/)?.[1]);
    registry.url = `${origin.replace(/\/$/, '')}/`;
    registry.port = Number(new URL(registry.url).port);
    return registry;
  }

  /** One that does not listen yet. */
  static async begin(settings, port) {
    const registry = Registry.#launch(settings, port);
    await until(`a registry that waits (${registry.log})`, () => fs.readFileSync(registry.log, 'utf8').includes('the port stays closed'));
    return registry;
  }

  static #launch(settings, port) {
    const registry = new Registry();
    registry.log = path.join(WORK, `registry-${++started}.log`);
    const all = { 'server.address': '127.0.0.1', 'server.port': port, 'registry.shutdown.lame-duck': 0, ...settings };
    const output = fs.openSync(registry.log, 'w');
    registry.process = spawn(BINARY, Object.entries(all).map(([key, value]) => `--${key}=${value}`), { stdio: ['ignore', output, output] });
    running.add(registry.process);
    registry.gone = new Promise((resolve) => registry.process.once('exit', resolve)).then(() => running.delete(registry.process));
    registry.agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
    return registry;
  }

  async stop(signal = 'SIGTERM') {
    this.agent.destroy();
    this.process.kill(signal);
    await this.gone;
  }

  /** The answer's status and body. */
  call(method, address, body, headers = {}) {
    return new Promise((resolve, reject) => {
      const sent = body && JSON.stringify(body);
      const request = http.request(new URL(address, this.url), { method, agent: this.agent, headers: { accept: 'application/json', ...(sent && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(sent) }), ...headers } }, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part) => (text += part)).on('end', () => resolve({ status: answer.statusCode, text })).on('error', reject);
      });
      request.on('error', reject).end(sent);
    });
  }

  async register(sent, headers) {
    const { status, text } = await this.call('POST', `eureka/apps/${sent.app}`, { instance: sent }, headers);
    if (status !== 204) throw new Error(`registration answered ${status}: ${text}`);
  }

  /** The instance as the registry has it, or nothing. */
  async instance(app, id, headers) {
    const { status, text } = await this.call('GET', `eureka/apps/${app}/${encodeURIComponent(id)}`, undefined, headers);
    return status === 200 ? JSON.parse(text).instance : undefined;
  }
}

/** Ends whatever still runs. */
export function stopAll() {
  for (const process of running) process.kill('SIGKILL');
}

/** An instance as a client sends it. No client renews it, so by default its lease outlasts every check. */
export function instance(app, id, { status = 'UP', metadata = {}, duration = 3600, ...more } = {}) {
  return {
    instanceId: id, app, hostName: `${id}.example.org`, ipAddr: '10.0.0.1', vipAddress: app.toLowerCase(), status,
    port: { $: 8080, '@enabled': 'true' }, securePort: { $: 443, '@enabled': 'false' },
    homePageUrl: `http://${id}.example.org:8080/`, statusPageUrl: `http://${id}.example.org:8080/actuator/info`,
    dataCenterInfo: { '@class': 'com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo', name: 'MyOwn' },
    leaseInfo: { renewalIntervalInSecs: 30, durationInSecs: duration }, metadata, ...more,
  };
}
