// eureka-js-client: registers, renews, finds itself in what it fetched, leaves on SIGTERM.
const { Eureka } = require('eureka-js-client');

const url = new URL(process.argv[2]);
const quiet = () => {};
const client = new Eureka({
  instance: {
    app: 'orders-js', instanceId: 'orders-js:1', hostName: 'localhost', ipAddr: '127.0.0.1', vipAddress: 'orders-js',
    port: { $: 9092, '@enabled': true }, statusPageUrl: 'http://localhost:9092/info',
    dataCenterInfo: { '@class': 'com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo', name: 'MyOwn' },
  },
  eureka: {
    host: url.hostname, port: Number(url.port), servicePath: '/eureka/apps/',
    heartbeatInterval: 300, registryFetchInterval: 300, maxRetries: 1, useDelta: true, filterUpInstances: true,
  },
  logger: { warn: console.log, info: quiet, debug: quiet, error: (...what) => console.log('error', ...what) },
});

let heartbeats = 0;
client.on('heartbeat', () => { heartbeats += 1; if (heartbeats === 2) console.log('renewed twice'); });
client.on('registered', () => console.log('registered'));
let seen = 'nothing';
const look = (words) => { if (words !== seen) { seen = words; console.log(words); } };
client.on('registryUpdated', () => {
  const found = client.getInstancesByVipAddress('orders-js').length > 0;
  if (found) look(seen === 'gone from the cache' ? 'back in the cache' : seen === 'nothing' ? 'found itself' : seen);
  else if (seen !== 'nothing') look('gone from the cache');
});
client.start((error) => { if (error) { console.log('error', error); process.exit(1); } });
process.on('SIGTERM', () => client.stop(() => process.exit(0)));
