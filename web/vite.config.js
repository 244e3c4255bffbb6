import { defineConfig } from "vite";

// One script and one style sheet for each kind of page, so that a page can hold both inline: `--mode drawings` and `--mode features`.
const PAGES = { drawings: ["src/main.ts", "sonde"], features: ["src/features/main.ts", "features"] };

export default defineConfig(({ mode }) => {
  const [entry, name] = PAGES[mode] ?? PAGES.drawings;
  return {
    build: {
      lib: { entry, formats: ["iife"], name, fileName: () => `${name}.js`, cssFileName: name },
      outDir: "../src/sonde/views/bundle",
      emptyOutDir: false,
      target: ["chrome123", "firefox121", "safari17.5"],
    },
  };
});
