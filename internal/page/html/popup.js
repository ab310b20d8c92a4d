(() => {
  const name = "caddy-spotify:" + location.pathname.replace(/\/popup$/, "");
  if (window.BroadcastChannel) new BroadcastChannel(name).postMessage({ login: new URLSearchParams(location.search).get("id") });
  window.close();
})();
