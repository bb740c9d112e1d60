// A client for Node on the course: node client.js PACKAGE APP ID PORT WATCHED URL ...
const [name, app, instanceId, port, watched, ...urls] = process.argv.slice(2);
const library = require(name);

const quiet = () => {};
const logger = { debug: quiet, info: quiet, warn: console.log, error: (...words) => console.log('was unable to', ...words) };
const instance = {
  app, instanceId, hostName: '127.0.0.1', ipAddr: '127.0.0.1', vipAddress: app, status: 'UP',
  port: { $: Number(port), '@enabled': 'true' }, statusPageUrl: `http://127.0.0.1:${port}/`, healthCheckUrl: `http://127.0.0.1:${port}/`,
  dataCenterInfo: { '@class': 'com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo', name: 'MyOwn' },
  leaseInfo: { renewalIntervalInSecs: 1, durationInSecs: 30 },
};
let before = null;
const sees = (instances) => {
  const shown = (one) => `${one.hostName}:${one.port.$}=${one.metadata?.color}`;
  const found = instances.filter((one) => one.status === 'UP').map(shown).sort().join(' ');
  if (found !== before) console.log('SEES', found);
  before = found;
};

// eureka-js-client, and what was made of it.
const netflix = () => {
  const first = new URL(urls[0]);
  const shared = { heartbeatInterval: 1000, registryFetchInterval: 500, maxRetries: 3, useDelta: true };
  if (name === 'eureka-node-client') {
    const client = new library({
      instance, logger, eureka: { ...shared, host: first.hostname, port: Number(first.port), servicePath: '/eureka/apps/' },
    });
    // It hands over each application's instances, in a form of its own; what it caches is what its listener is made of.
    client.onUpdated(() => sees(client.wrapper.cachedServices[watched.toUpperCase()] ?? []));
    return client;
  }
  const client = new library.Eureka({
    instance, logger, eureka: { ...shared, availabilityZones: { here: ['zone'] }, ec2Region: 'here', serviceUrls: { zone: urls.map((url) => `${url}apps/`) } },
  });
  client.on('registryUpdated', () => sees(client.getInstancesByVipAddress(watched)));
  return client;
};

// eureka-nodejs-client: heartbeats by a timer; it is asked for one instance at a time, by the application's name.
const other = () => {
  const client = library({
    logger, instance, eureka: { registerWithEureka: true, serviceUrl: urls.map((url) => new URL(url).origin), pollIntervalSeconds: 1 },
  });
  const ask = async () => {
    try {
      sees([await client.instance(watched.toUpperCase())]);
    } catch (error) {
      if (error.response?.status !== 404) logger.error(error);
    }
  };
  setInterval(ask, 500);
  return { start: (then) => { client.start(); then(); }, stop: (then) => client.stop() && client.delete().then(then) };
};

const client = name === 'eureka-nodejs-client' ? other() : netflix();
client.start((error) => { if (error) logger.error(error); });
process.on('SIGTERM', () => client.stop(() => process.exit(0)));
