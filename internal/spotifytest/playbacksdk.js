// Stands in for Spotify's Web Playback SDK: it asks the page for a token, and plays with it, by remote control of
// the simulator's player. It makes no sound.
(() => {
  const api = "API_ORIGIN";

  class Player {
    #listeners = new Map();
    #options;
    #token;
    #timer;

    constructor(options) {
      this.#options = options;
    }

    addListener(name, callback) {
      this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), callback]);
      return true;
    }

    async connect() {
      const there = await this.#call("GET", "/sdk/player");
      if (!there) return false;
      this.#tell("ready", { device_id: there.device_id });
      this.#timer = setInterval(() => this.#look(), 1000);
      return true;
    }

    disconnect() {
      clearInterval(this.#timer);
    }

    async activateElement() {}

    async getCurrentState() {
      const { here, now } = (await this.#call("GET", "/sdk/player")) ?? {};
      if (!here || !now.item) return null;
      return { paused: !now.is_playing, position: now.progress_ms, duration: now.item.duration_ms, track_window: { current_track: now.item } };
    }

    async togglePlay() {
      const state = await this.getCurrentState();
      await this.#change("PUT", state?.paused === false ? "/v1/me/player/pause" : "/v1/me/player/play");
    }

    nextTrack() {
      return this.#change("POST", "/v1/me/player/next");
    }

    previousTrack() {
      return this.#change("POST", "/v1/me/player/previous");
    }

    async #change(method, path) {
      await this.#call(method, path);
      await this.#look();
    }

    async #look() {
      this.#tell("player_state_changed", await this.getCurrentState());
    }

    #tell(name, value) {
      for (const callback of this.#listeners.get(name) ?? []) callback(value);
    }

    async #call(method, path) {
      for (const again of [true, false]) {
        this.#token ??= await new Promise((give) => this.#options.getOAuthToken(give));
        const answer = await fetch(api + path, { method, headers: { Authorization: `Bearer ${this.#token}` } });
        if (answer.ok) return answer.status === 204 ? null : answer.json().catch(() => null);
        if (answer.status === 403) this.#tell("account_error", { message: "This functionality is restricted to premium users only" });
        if (answer.status !== 401) return;
        this.#token = undefined;
        if (!again) this.#tell("authentication_error", { message: "Authentication failed" });
      }
    }
  }

  window.Spotify = { Player };
  window.onSpotifyWebPlaybackSDKReady?.();
})();
