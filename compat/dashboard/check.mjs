// The dashboard in a real Chromium, as a person sees it: `node check.mjs BINARY DIRECTORY PORT PORT`.

import { run } from './harness.mjs';
import { keyboard, looks, withoutScript } from './parts/access.mjs';
import { applications } from './parts/applications.mjs';
import { axe, settings, widths } from './parts/axe.mjs';
import { hostile, oneInstance } from './parts/instance.mjs';
import { busy, busyRegistry, empty, full } from './parts/lists.mjs';
import { badNetwork, firstLoad } from './parts/network.mjs';
import { differences, peers, restart, selfPreservation, starting, switching, users } from './parts/servers.mjs';
import { shift } from './parts/shift.mjs';

await run(async () => {
  await empty();
  await applications();
  const registry = await busyRegistry();
  for (const part of [busy, oneInstance, hostile, keyboard, withoutScript, looks, settings, widths, shift, axe]) await part(registry);
  await registry.stop();
  for (const part of [firstLoad, badNetwork, full, peers, starting, differences, selfPreservation, switching, users, restart]) await part();
});
