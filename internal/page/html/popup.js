(() => {
  const message = { login: new URLSearchParams(location.search).get("id") };
  const name = "caddy-spotify:" + location.pathname.replace(/\/popup$/, "");
  if (window.BroadcastChannel) {
    new BroadcastChannel(name).postMessage(message);
  } else {
    try {
      localStorage.setItem(name, JSON.stringify(message));
      localStorage.removeItem(name);
    } catch {}
  }
  window.close();
})();
