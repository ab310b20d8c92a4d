import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  server: {
    // Spotify takes http at this very address only, and the redirect URI names the port.
    host: "127.0.0.1",
    port: 5173,
    strictPort: true,
    proxy: {
      // As an object: given a string, Vite would change the Host header, and Caddy would send
      // every login back to where it comes from.
      "/spotify": { target: "http://127.0.0.1:8080", changeOrigin: false },
    },
  },
});
