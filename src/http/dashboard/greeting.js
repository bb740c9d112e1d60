// What an empty registry shows: how to register, in lines that work at this address.

import { root } from './api.js';
import { byId, text } from './dom.js';

const HELLO = {
  instance: {
    instanceId: 'hello-1', app: 'HELLO', hostName: 'localhost', ipAddr: '127.0.0.1', vipAddress: 'hello', status: 'UP',
    port: { $: 8080, '@enabled': 'true' },
    dataCenterInfo: { '@class': 'com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo', name: 'MyOwn' },
  },
};

/** Shows it while no instance is registered, whatever the list is narrowed to. */
export function showGreeting({ instances }, user) {
  byId('greeting').hidden = instances.total > 0;
  if (instances.total > 0) return;
  const address = new URL(`${root}eureka/`, location.href).href;
  for (const place of document.querySelectorAll('.address')) text(place, address);
  // curl asks for the password.
  const curl = user && !user.open ? `curl -u ${user.name ?? 'USER'}` : 'curl';
  text(byId('curl'), [
    `${curl} -X POST -H 'Content-Type: application/json' -d '${JSON.stringify(HELLO)}' '${address}apps/HELLO'`,
    `${curl} '${address}apps/HELLO'`,
    `${curl} -X DELETE '${address}apps/HELLO/hello-1'`,
  ].join('\n'));
}
