// Runs before the page is drawn, so that it is never drawn in another theme than the chosen one. `settings.js` keeps the choices.
try {
  for (const name of ['theme', 'density']) {
    const chosen = localStorage.getItem(`eureka-registry.${name}`);
    if (chosen) document.documentElement.dataset[name] = chosen;
  }
} catch {
  // Without storage, nothing was chosen.
}
